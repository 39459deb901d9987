"""Every operation by the name under which HTTP routes and Python handles find it."""

from typing import Any

from deployments.content.text_operations import content_text_operations
from deployments.ingress.operations.ask_documents import AnswerPorts, AskDocuments
from deployments.ingress.operations.audio_analysis import AnalyzeAudio
from deployments.ingress.operations.audio_results import GetAudioAnalysis
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.batches import CreateBatch
from deployments.ingress.operations.best_time_to_post import BestTimeToPost
from deployments.ingress.operations.chat import Chat
from deployments.ingress.operations.clips import Clips, GetJob
from deployments.ingress.operations.completions import Completions
from deployments.ingress.operations.content import CaptionBatch, Captions, PostBatch, Posts
from deployments.ingress.operations.content_models import ContentModels
from deployments.ingress.operations.content_saver import ContentSaver
from deployments.ingress.operations.content_sources import ContentSources
from deployments.ingress.operations.count_tokens import CountTokens
from deployments.ingress.operations.document_summary import SummarizeDocument
from deployments.ingress.operations.documents import CreateDocument, GetDocument
from deployments.ingress.operations.embeddings import TextEmbeddings
from deployments.ingress.operations.engagement_models import EngagementModels
from deployments.ingress.operations.messages import Messages
from deployments.ingress.operations.moderations import Moderations
from deployments.ingress.operations.optimize_post import OptimizePost
from deployments.ingress.operations.prompt_templates import PromptTemplates
from deployments.ingress.operations.rerank import Rerank
from deployments.ingress.operations.responses import Responses
from deployments.ingress.operations.search_collection import QueryCollection
from deployments.ingress.operations.search_points import DeletePoints, PutPoints
from deployments.ingress.operations.text_analysis import AnalyzeText
from deployments.ingress.operations.text_classifiers import NamedClassifiers
from deployments.ingress.operations.text_groups import GroupTexts
from deployments.ingress.operations.text_writing import (
    RewriteText,
    SummarizeText,
    TranslateText,
    WriterPorts,
)
from deployments.ingress.operations.tokenization import Detokenize, Tokenize
from deployments.ingress.operations.transcriptions import TranscribeAudio, TranslateAudio
from deployments.ingress.operations.vector_store_search import VectorStoreSearcher
from deployments.ingress.services import AppServices
from deployments.text.analysis import register_operation

Operations = dict[str, Operation[Any]]


def operations(services: AppServices) -> Operations:
    """Build each operation over the services it needs."""
    for further in content_text_operations():
        register_operation(further)
    pipeline, templates = services.model_pipeline, PromptTemplates(services.templates)
    outcomes = None if services.admin is None else services.admin.outcomes
    writers = ContentModels(services.providers, services.models)
    saver = ContentSaver(services.admin)
    sources = ContentSources(services.documents, services.embedding_pipeline, services.models)
    chat = Chat(pipeline, templates)
    ports = WriterPorts(services.analysis_pipeline, pipeline, writers, services.models)
    named = NamedClassifiers(None if services.admin is None else services.admin.classifiers)
    known: Operations = {
        "chat": chat,
        "responses": Responses(
            chat,
            services.responses,
            templates,
            VectorStoreSearcher(services.collections),
        ),
        "messages": Messages(chat),
        "messages.count_tokens": CountTokens(services.models),
        "completions": Completions(pipeline, templates),
        "embeddings": TextEmbeddings(services.embedding_pipeline),
        "rerank": Rerank(services.embedding_pipeline, services.models),
        "moderations": Moderations(
            services.embedding_pipeline, services.models, services.moderator
        ),
        "tokenize": Tokenize(services.models),
        "detokenize": Detokenize(services.models),
        "captions": Captions(pipeline, writers, templates, saver, sources),
        "captions.batch": CaptionBatch(pipeline, writers, templates, saver, sources),
        "posts": Posts(pipeline, writers, templates, saver, sources),
        "posts.batch": PostBatch(pipeline, writers, templates, saver, sources),
        "optimize_post": OptimizePost(
            services.analysis_pipeline,
            pipeline,
            writers,
            EngagementModels(services.analysis_pipeline, outcomes, services.clock),
        ),
        "best_time_to_post": BestTimeToPost(services.analysis_pipeline, outcomes),
        "analyze_text": AnalyzeText(services.analysis_pipeline, named),
        "group_texts": GroupTexts(services.analysis_pipeline),
        "summarize_text": SummarizeText(ports),
        "rewrite_text": RewriteText(ports),
        "translate_text": TranslateText(ports),
        "transcribe_audio": TranscribeAudio(services.audio),
        "translate_audio": TranslateAudio(services.audio),
        "analyze_audio": AnalyzeAudio(services.audio),
        "audio.get": GetAudioAnalysis(services.audio),
        "create_document": CreateDocument(services.documents),
        "documents.get": GetDocument(services.documents),
        "summarize_document": SummarizeDocument(services.documents, ports),
        "ask_documents": AskDocuments(
            AnswerPorts(
                services.documents,
                services.embedding_pipeline,
                pipeline,
                writers,
                services.models,
            )
        ),
        "put_points": PutPoints(services.collections),
        "delete_points": DeletePoints(services.collections),
        "query_collection": QueryCollection(services.collections),
        "clips": Clips(services.media),
        "jobs.get": GetJob(services.media),
    }
    return {**known, "batches": CreateBatch(services.batches, known)}
