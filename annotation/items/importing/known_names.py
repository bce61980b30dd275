"""The names that columns have in public sets of prompts, pairs and ratings, in the order in which they are looked
for."""

PROMPTS: tuple[str, ...] = (
    "prompt",
    "instruction",
    "question",
    "query",
    "user_prompt",
    "input_prompt",
    "opening_prompt",
    "context",
    "input",
    "conversation",
    "messages",
    "conversations",
    "dialogue",
    "history",
    "text",
    "problem",
    "title",
    "caption",
)
IDS: tuple[str, ...] = (
    "external_id",
    "id",
    "uuid",
    "item_id",
    "comparison_id",
    "question_id",
    "conversation_id",
    "prompt_id",
    "example_id",
    "idx",
    "index",
    "uid",
    "sample_id",
    "row_id",
    "key",
)
SYSTEM: tuple[str, ...] = ("system_message", "system_prompt", "system")
CRITERIA: tuple[str, ...] = ("criterion", "criteria", "rubric", "aspect")
REFERENCES: tuple[str, ...] = (
    "reference",
    "reference_answer",
    "reference_output",
    "gold_answer",
    "ground_truth",
    "expected",
    "target",
)
DOCUMENTS: tuple[str, ...] = (
    "documents",
    "document",
    "passages",
    "passage",
    "source_documents",
    "source_text",
    "article",
    "sources",
)
LANGUAGES: tuple[str, ...] = ("language", "lang", "locale")
DIFFICULTIES: tuple[str, ...] = ("difficulty", "level")
PATHS: tuple[str, ...] = ("path", "taxonomy", "taxonomy_path", "task_path", "category_path")
TAGS: tuple[str, ...] = (
    "category",
    "source",
    "dataset",
    "subset",
    "domain",
    "topic",
    "task",
    "type",
    "split",
    "subject",
    "tags",
    "cluster",
)
ANSWERS: tuple[str, ...] = (
    "response",
    "completion",
    "answer",
    "output",
    "generation",
    "candidate",
    "continuation",
    "reply",
    "summary",
    "caption",
    "paraphrase",
    "translation",
    "advert",
    "ad",
    "text",
    "content",
    "message",
    "conversation",
    "code",
)
MODELS: tuple[str, ...] = ("model", "model_name", "generator", "model_id", "assistant", "system_name")
LICENCES: tuple[str, ...] = ("licence", "license")
OWN_PROMPTS: tuple[str, ...] = ("prompt", "instruction", "question", "query", "input")
IMAGES: tuple[str, ...] = ("image", "img", "image_path", "picture", "photo", "jpg", "png", "images", "image_paths")
SOUNDS: tuple[str, ...] = ("audio", "audio_path", "sound", "speech")
FILMS: tuple[str, ...] = ("video", "video_path", "film", "clip")
SOLE: tuple[str, ...] = ("response", "completion", "output", "answer", "generation", "paraphrase", "summary")
PREFERRED: tuple[tuple[str, str], ...] = (
    ("chosen", "rejected"),
    ("preferred", "dispreferred"),
    ("winner_response", "loser_response"),
)
