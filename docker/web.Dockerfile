# The web platform, its workers and its beat: one image, no torch in it.
#   docker build -f docker/web.Dockerfile -t plurivox-web .
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DATA_DIR=/data
WORKDIR /srv/plurivox
RUN useradd --system --uid 10001 plurivox && install -d -o plurivox /data

COPY pyproject.toml constraints.txt LICENSE ./
RUN pip install -c constraints.txt '.[runtime]'

COPY manage.py ./
COPY annotation ./annotation
COPY models_serving ./models_serving
COPY templates ./templates
COPY static ./static

USER plurivox
VOLUME /data
EXPOSE 8000
CMD ["uvicorn", "annotation.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", \
     "--lifespan", "off", "--timeout-graceful-shutdown", "5"]
