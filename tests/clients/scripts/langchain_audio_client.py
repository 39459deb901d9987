"""LangChain's parser of recordings, which asks OpenAI's transcription API."""

import contextlib
import io
from pathlib import Path

import imageio_ffmpeg
import pydub
from langchain_community.document_loaders.parsers.audio import OpenAIWhisperParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from checks import KEY, URL, check, run, tone

pydub.AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()
PATH = Path("tone.wav")  # in the folder of this run
PATH.write_bytes(tone())


def parsed(**options: object) -> list[Document]:
    """Without what the parser prints; it swallows what the server refuses, and gives nothing."""
    parser = OpenAIWhisperParser(api_key=KEY, base_url=URL, **options)
    with contextlib.redirect_stdout(io.StringIO()):
        return list(parser.lazy_parse(Blob.from_path(PATH)))


@check
def a_recording_without_words() -> None:
    [document] = parsed()
    assert (document.page_content, document.metadata["chunk"]) == ("", 0)


@check
def every_option() -> None:
    [document] = parsed(language="en", prompt="Coffee.", temperature=0.0, response_format="text")
    assert document.page_content.strip() == ""


run()
