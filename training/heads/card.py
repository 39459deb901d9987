"""The model card of the heads: measured numbers in, README.md out, by the template card.md."""

from pathlib import Path
from typing import Any

from training.heads.held_out import MOST
from training.heads.ratings import HELD_OUT

_CARD = Path(__file__).with_name("card.md")
_KINDS = {
    "tweets": "Tweets",
    "film": "Film reviews, sentences",
    "products": "Product reviews, sentences",
    "news": "Newspaper editorials, sentences",
}


def render_heads_card(measured: dict[str, Any], topics: int) -> str:
    """`measured` is the content of evaluation.json."""
    posts = measured["hard_posts"]
    return _CARD.read_text(encoding="utf-8").format(
        trained=f"{measured['trained']:,}",
        one_in=HELD_OUT,
        most=MOST,
        rows="\n".join(_row(kind, each) for kind, each in measured["figures"].items()),
        topics=topics,
        posts="\n".join(_post(post) for post in posts),
        count=len(posts),
        head_right=sum(post["head"] == post["label"] for post in posts),
        vader_right=sum(post["vader"] == post["label"] for post in posts),
    )


def _row(kind: str, figures: dict[str, Any]) -> str:
    return (
        f"| {_KINDS[kind]} | {figures['texts']:,} | {figures['macro_f1']:.3f} | "
        f"{figures['vader_macro_f1']:.3f} | {figures['pearson']:.3f} | "
        f"{figures['vader_pearson']:.3f} |"
    )


def _post(post: dict[str, str]) -> str:
    judged = (post["label"], _marked(post, "head"), _marked(post, "vader"))
    return f"| {post['text']} | {' | '.join(judged)} |"


def _marked(post: dict[str, str], by: str) -> str:
    """Wrong labels are bold."""
    return post[by] if post[by] == post["label"] else f"**{post[by]}**"
