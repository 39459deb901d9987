"""Face detection with OpenCV's cascades (Viola and Jones, 2001), if the extra `faces` is installed.

OpenCV 4 includes the cascades, OpenCV 5 does not.
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
MIN_FACE_PX = 20  # pixels of the small picture
CONFIDENCE = 0.9
INSTALL_HINT = "install the extra 'faces' (opencv-python-headless before 5)"


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
        faces = self._cascade.detectMultiScale(
            picture, scaleFactor=1.15, minNeighbors=5, minSize=(MIN_FACE_PX, MIN_FACE_PX)
        )
        if len(faces) == 0:
            return np.full(5, np.nan, np.float32)
        x, y, width, height = max(faces, key=lambda box: (box[2] * box[3], -box[0], -box[1]))
        rows, columns = picture.shape
        middle = (x + width / 2) / columns, (y + height / 2) / rows
        return np.array([*middle, width / columns, height / rows, CONFIDENCE], np.float32)


def create_face_detector() -> FaceDetector | None:
    """None if this installation has no cascades."""
    try:
        return FaceDetector() if find_spec("cv2") else None
    except ImportError:
        return None


def face_ability() -> Capability:
    """Whether faces are detected, for /capabilities. Imports OpenCV if it is installed."""
    if not find_spec("cv2"):
        return Capability(False, f"OpenCV is not installed; {INSTALL_HINT}.")
    try:
        FaceDetector()
    except ImportError as error:
        return Capability(False, f"{error}; {INSTALL_HINT}.")
    return Capability(True, "Faces are found with OpenCV's cascades.", {"cascade": CASCADE})
