"""A tiny model that takes pictures: LLaVA's architecture with random weights, made in a second.

Its tokenizer is nano's with one more token, the placeholder of a picture. Pictures are cut to
32 x 32 pixels, 16 tokens each. Pillow prepares them: no torchvision.
"""

from pathlib import Path

IMAGE_TOKEN = "<image>"
IMAGE_TOKENS = 16
_EDGE, _PATCH = 32, 8
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}\n{% endfor %}assistant:"
)


def make_tiny_vision_model(folder: Path, seed: int = 7) -> Path:
    """Write the model's files into `folder`, which is returned."""
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    from deployments.model.model_files import NANO

    tokenizer = PreTrainedTokenizerFast.from_pretrained(NANO)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]})
    tokenizer.image_token = IMAGE_TOKEN
    image_token = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    size = {"height": _EDGE, "width": _EDGE}
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": _EDGE}, crop_size=size),
        tokenizer,
        patch_size=_PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=IMAGE_TOKEN,
        chat_template=_TEMPLATE,
    )
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(
                **small, num_attention_heads=2, image_size=_EDGE, patch_size=_PATCH
            ),
            text_config=LlamaConfig(
                **small,
                num_attention_heads=2,
                num_key_value_heads=2,
                vocab_size=len(tokenizer),
                max_position_embeddings=256,
            ),
            image_token_index=image_token,
            image_seq_length=IMAGE_TOKENS,
            vision_feature_layer=-1,
        )
    )
    with torch.no_grad():  # random weights of the usual size would hardly look at the picture
        model.model.multi_modal_projector.linear_2.weight.mul_(50)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
