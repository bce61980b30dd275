"""The published names: keys in their order, and the literals that stand for what is not there."""

EMPTY = "EMPTY STRING"
PREFER_NOT = "Prefer not to say"

USE_CASES = (
    "homework_assistance",
    "research",
    "source_suggestions",
    "professional_work",
    "creative_writing",
    "casual_conversation",
    "personal_recommendations",
    "daily_productivity",
    "technical_or_programming_help",
    "travel_guidance",
    "lifestyle_and_hobbies",
    "well-being_guidance",
    "medical_guidance",
    "financial_guidance",
    "games",
    "historical_or_news_insight",
    "relationship_advice",
    "language_learning",
    "other",
)
STATED_PREFERENCES = (
    "values",
    "creativity",
    "fluency",
    "factuality",
    "diversity",
    "safety",
    "personalisation",
    "helpfulness",
    "other",
)
ATTRIBUTES = ("values", "fluency", "factuality", "safety", "diversity", "creativity", "helpfulness")
# survey questions whose stored key is the exported value, in the published order
SINGLE_ANSWERS_BEFORE_TEXTS = ("lm_familiarity", "lm_indirect_use", "lm_direct_use", "lm_frequency_use")
FREE_TEXTS = ("self_description", "system_string")
SINGLE_ANSWERS_AFTER_TEXTS = (
    "age",
    "gender",
    "employment_status",
    "education",
    "marital_status",
    "english_proficiency",
)
LOCATION = (
    "birth_country",
    "birth_countryISO",
    "birth_region",
    "birth_subregion",
    "reside_country",
    "reside_countryISO",
    "reside_region",
    "reside_subregion",
    "same_birth_reside_country",
    "special_region",
)
SELF_DESCRIBED = ("self_described", "categorised", "simplified")
MODERATION = (
    "sexual",
    "hate",
    "harassment",
    "self-harm",
    "sexual/minors",
    "hate/threatening",
    "violence/graphic",
    "self-harm/intent",
    "self-harm/instructions",
    "harassment/threatening",
    "violence",
)
MODEL_FACTS = (
    "long_name",
    "short_name",
    "longcode",
    "model_family",
    "model_provider",
    "model_provider_type",
    "model_type",
    "default_params",
    "selected_params",
    "header",
    "link",
    "in_yaml",
    "params_tested",
    "endpoint_live",
    "status",
)
PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "min_tokens",
    "max_tokens",
    "stop",
    "is_llama",
    "is_vicuna",
    "is_falcon",
    "is_pythia",
    "is_guanaco",
    "is_zephyr",
)


def provider_token(provider: str) -> str:
    """How utterances write a provider: HuggingFace-API becomes huggingface_api."""
    return provider.strip().lower().replace("-", "_").replace(" ", "_")


def written(text: str | None) -> str:
    """A text as it is exported: nothing becomes the literal that marks it."""
    return text or EMPTY


def read_back(text: str) -> str:
    """A text as it is stored."""
    return "" if text == EMPTY else text
