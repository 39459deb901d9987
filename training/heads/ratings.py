"""Texts with human ratings of sentiment: the data of Hutto and Gilbert (ICWSM 2014), which the
source distribution of vaderSentiment carries under the MIT licence.

In: a folder for the download. Out: rated texts with a fixed split. Only training reads texts: what
is committed is their vectors and ratings.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE, VERSION = "vaderSentiment", "3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
KINDS = {
    "tweets": "tweets",
    "film": "movieReviewSnippets",
    "products": "amazonReviewSnippets",
    "news": "nytEditorialSnippets",
}
HELD_OUT = 5  # one document in so many
_ARCHIVE = f"{PACKAGE}-{VERSION}.tar.gz"
_INNER = f"{PACKAGE}-{VERSION}/additional_resources/hutto_ICWSM_2014.tar.gz"


@dataclass(frozen=True, slots=True)
class RatedText:
    """`rating` is the mean of human raters, from -4 to 4. `document` is the review or article that
    the text is a sentence of, by number; a tweet or a film snippet is one by itself."""

    kind: str
    document: int
    text: str
    rating: float

    @property
    def is_held_out(self) -> bool:
        """By document: sentences of one review are never on both sides."""
        return self.document % HELD_OUT == 0


def download_ratings(folder: Path) -> Path:
    """The archive in `folder`, fetched by pip unless it is there.

    Raises subprocess.CalledProcessError where pip cannot fetch it, ValueError where it is not the
    one that was pinned.
    """
    archive = folder / _ARCHIVE
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--require-hashes", "-r", str(wanted)]
        subprocess.run([*command, "-d", str(folder)], check=True)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{archive} has the SHA-256 {found}, not {SHA256}")
    return archive


def read_ratings(archive: Path) -> list[RatedText]:
    """In the order of the files. Raises KeyError for an archive without them."""
    with tarfile.open(archive) as outer, tarfile.open(fileobj=_member(outer, _INNER)) as inner:
        return [
            _rated_text(kind, line)
            for kind, name in KINDS.items()
            for line in _lines(inner, f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
        ]


def _rated_text(kind: str, line: str) -> RatedText:
    """A line is an id (document, or document_sentence), a rating and a text, between tabs."""
    id, rating, text = line.split("\t", 2)
    return RatedText(kind, int(id.split("_")[0]), text.strip(), float(rating))


def _lines(archive: tarfile.TarFile, name: str) -> list[str]:
    return _member(archive, name).read().decode("utf-8").splitlines()


def _member(archive: tarfile.TarFile, name: str) -> io.BytesIO:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    return io.BytesIO(member.read())
