"""All calls of a client, as generators (attempts.py) that its two forms run."""

from mobula_client.batch_calls import BatchCalls
from mobula_client.document_calls import DocumentCalls
from mobula_client.media_calls import MediaCalls
from mobula_client.search_calls import SearchCalls
from mobula_client.text_calls import TextCalls


class Calls(TextCalls, MediaCalls, BatchCalls, DocumentCalls, SearchCalls):
    """Builds the requests of one client, and reads their responses."""
