# The model server: torch, no Django. The plain wheel of torch brings CUDA; for a CPU-only image give PyTorch's own index
# of CPU builds (its install page names it):  --build-arg PIP_EXTRA_INDEX_URL=…
#   docker build -f docker/serving.Dockerfile -t plurivox-serving .
#   docker run -e MODELS_SERVING_API_KEY -v models:/models -p 127.0.0.1:8100:8100 plurivox-serving
# It listens to other machines: without a key in that variable whoever reaches it may use it, and it says so.
FROM python:3.12-slim-bookworm

ARG PIP_EXTRA_INDEX_URL=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HF_HOME=/models/hub
WORKDIR /srv/plurivox
RUN useradd --system --uid 10001 plurivox && install -d -o plurivox /models

COPY pyproject.toml constraints.txt LICENSE ./
RUN pip install -c constraints.txt '.[serving]'

COPY models_serving ./models_serving

USER plurivox
VOLUME /models
EXPOSE 8100
CMD ["python", "-m", "models_serving.server", "--config", "models_serving/demo/models.json", \
     "--host", "0.0.0.0", "--port", "8100"]
