"""Faces, where OpenCV with its cascades is installed (the extra `faces`); otherwise there are none.

OpenCV 5 has no cascades; 4 brings them (Viola and Jones, 2001). Knows nothing of recordings.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Capability
from deployments.video.analysis.frame_signature import Picture

CASCADE = "haarcascade_frontalface_default.xml"
SMALLEST = 20  # pixels of the small picture
SURE = 0.9
HOW = "install the extra 'faces' (opencv-python-headless before 5)"


class FaceDetector:
    """Raises ImportError where OpenCV has no cascades."""

    def __init__(self) -> None:
        cv2: Any = import_module("cv2")
        if not hasattr(cv2, "CascadeClassifier"):
            raise ImportError("this OpenCV has no cascade classifier")
        cv2.setNumThreads(1)
        self._cascade: Any = cv2.CascadeClassifier(
            str(Path(cv2.__file__).parent / "data" / CASCADE)
        )
        if self._cascade.empty():
            raise ImportError("this OpenCV brings no cascades")

    def find(self, picture: Picture) -> NDArray[np.float32]:
        """The largest face as centre, size and confidence, shape (5,); NaN: none."""
        found = self._cascade.detectMultiScale(
            picture, scaleFactor=1.15, minNeighbors=5, minSize=(SMALLEST, SMALLEST)
        )
        if len(found) == 0:
            return np.full(5, np.nan, np.float32)
        x, y, width, height = max(found, key=lambda box: (box[2] * box[3], -box[0], -box[1]))
        rows, columns = picture.shape
        middle = (x + width / 2) / columns, (y + height / 2) / rows
        return np.array([*middle, width / columns, height / rows, SURE], np.float32)


def finder() -> FaceDetector | None:
    """Faces, if this installation can find them."""
    try:
        return FaceDetector() if find_spec("cv2") else None
    except ImportError:
        return None


def face_ability() -> Capability:
    """Whether faces are found, for /capabilities. Loads OpenCV if it is there."""
    if not find_spec("cv2"):
        return Capability(False, f"OpenCV is not installed; {HOW}.")
    try:
        FaceDetector()
    except ImportError as error:
        return Capability(False, f"{error}; {HOW}.")
    return Capability(True, "Faces are found with OpenCV's cascades.", {"cascade": CASCADE})
