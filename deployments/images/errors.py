"""The problems of pictures in requests.

InvalidRequest 400
  ImageRefused     400 image-refused      not a picture that is taken, too large, or damaged
  ImagesUnavailable 501 images-unavailable this cluster does not read pictures
"""

from cluster.runtime.problems import InvalidRequest, Problem


class ImageRefused(InvalidRequest):
    """`param` names the picture's field; `why` is a clause that ends without a full stop."""

    slug, title = "image-refused", "The picture cannot be used"

    def __init__(self, param: str, why: str, **extensions: str | int) -> None:
        super().__init__(f"{param}: {why}.", param=param, **extensions)


class ImagesUnavailable(Problem):
    status, slug, title = 501, "images-unavailable", "Pictures cannot be read here"

    def __init__(self, param: str) -> None:
        super().__init__(
            f"{param}: this cluster reads no pictures; its operator can switch `media` on.",
            param=param,
        )
