"""Files of vector stores, one by one and in batches: `/v1/vector_stores/{id}/files` and
`.../file_batches`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from cluster.runtime.problems import Conflict
from cluster.tenants.caller import Scope
from deployments.ingress.http.openapi import request_body
from deployments.ingress.routes.vector_stores import (
    CHANGE,
    LOOK,
    StoreIdInPath,
    body_of,
    chunking_of,
    counts_object,
    reads,
    sizes_of,
    wish_of,
    writes,
)
from deployments.ingress.schemas.admin import EmptyBody
from deployments.ingress.schemas.files import page_of
from deployments.ingress.schemas.vector_stores import (
    DeletedVectorStoreFile,
    FoundText,
    StoreFileBatchCreate,
    StoreFileBatchObject,
    StoreFileChunking,
    StoreFileError,
    VectorStoreFileContent,
    VectorStoreFileCreate,
    VectorStoreFileList,
    VectorStoreFileListQuery,
    VectorStoreFileObject,
    VectorStoreFilePatch,
)
from deployments.vector_stores.model import (
    OVERLAP_TOKENS,
    TOKENS,
    FileBatch,
    NewStoreFile,
    StoreFile,
)

router = APIRouter(prefix="/v1/vector_stores", tags=["openai"])
POLL_AFTER = "openai-poll-after-ms"  # tells OpenAI's clients when to ask again
POLL_AFTER_MS = "500"
FileIdInPath = Annotated[str, Path(max_length=64, description="The file's id.")]
BatchIdInPath = Annotated[str, Path(max_length=64, description="The batch's id.")]
FilesOf = Annotated[VectorStoreFileListQuery, Query()]


@router.post(
    "/{store}/files",
    response_model=VectorStoreFileObject,
    responses=CHANGE,
    summary="Put a file into a vector store",
    openapi_extra=request_body(VectorStoreFileCreate),
)
async def create_vector_store_file(
    store: StoreIdInPath, request: Request, response: Response
) -> VectorStoreFileObject:
    """A file of `/v1/files`, which becomes a document: PDF, DOCX, PPTX, HTML, Markdown or text. It
    is read and indexed by jobs; `status` says when it is found. One that is there already begins
    anew."""
    async with writes(request) as access:
        access.request.require(Scope.DOCUMENTS_WRITE)
        body: VectorStoreFileCreate = await body_of(request, VectorStoreFileCreate)
        (made,) = await access.stores.put(access.request, store, [_new_file(body)])
    response.headers[POLL_AFTER] = POLL_AFTER_MS
    return file_object(made)


@router.get(
    "/{store}/files",
    response_model=VectorStoreFileList,
    responses=LOOK,
    summary="List the files of a vector store",
)
async def list_vector_store_files(
    store: StoreIdInPath, query: FilesOf, request: Request
) -> VectorStoreFileList:
    async with reads(request) as access:
        stores, tenant = access.stores, access.tenant
        async with stores.database.read() as connection:
            await stores.repository.get(connection, tenant, store)
            found, has_more = await stores.repository.files(
                connection, tenant, store, wish_of(query), status=query.filter
            )
    return _file_page(found, has_more=has_more)


@router.get(
    "/{store}/files/{file_id}",
    response_model=VectorStoreFileObject,
    responses=LOOK,
    summary="Show a file of a vector store",
)
async def get_vector_store_file(
    store: StoreIdInPath, file_id: FileIdInPath, request: Request, response: Response
) -> VectorStoreFileObject:
    async with reads(request) as access:
        stores, tenant = access.stores, access.tenant
        async with stores.database.read() as connection:
            found = await stores.repository.file(connection, tenant, store, file_id)
    if found.status == "in_progress":
        response.headers[POLL_AFTER] = POLL_AFTER_MS
    return file_object(found)


@router.post(
    "/{store}/files/{file_id}",
    response_model=VectorStoreFileObject,
    responses=CHANGE,
    summary="Change the attributes of a file",
    openapi_extra=request_body(VectorStoreFilePatch),
)
async def update_vector_store_file(
    store: StoreIdInPath, file_id: FileIdInPath, request: Request
) -> VectorStoreFileObject:
    """Refused with 409 while the file is being processed."""
    async with writes(request) as access:
        body: VectorStoreFilePatch = await body_of(request, VectorStoreFilePatch)
        changed = await access.stores.set_attributes(
            access.tenant, store, file_id, body.attributes or {}
        )
    return file_object(changed)


@router.delete(
    "/{store}/files/{file_id}",
    response_model=DeletedVectorStoreFile,
    responses=CHANGE,
    summary="Take a file out of a vector store",
)
async def delete_vector_store_file(
    store: StoreIdInPath, file_id: FileIdInPath, request: Request
) -> DeletedVectorStoreFile:
    """Once it is answered, no search finds it. The file itself stays."""
    async with writes(request) as access:
        await access.stores.remove(access.tenant, store, file_id)
    return DeletedVectorStoreFile(id=file_id)


@router.get(
    "/{store}/files/{file_id}/content",
    response_model=VectorStoreFileContent,
    responses={**LOOK, **{409: CHANGE[409]}},
    summary="What a file of a vector store says",
)
async def get_vector_store_file_content(
    store: StoreIdInPath, file_id: FileIdInPath, request: Request
) -> VectorStoreFileContent:
    """Block by block, in reading order."""
    async with reads(request) as access:
        access.request.require(Scope.DOCUMENTS_READ)
        stores, tenant = access.stores, access.tenant
        async with stores.database.read() as connection:
            found = await stores.repository.file(connection, tenant, store, file_id)
            if found.document is None or found.status != "completed":
                raise Conflict(f"File '{file_id}' is not completed; it is '{found.status}'.")
            blocks = await stores.documents.store.blocks(connection, tenant, found.document)
    return VectorStoreFileContent(data=[FoundText(text=block.text) for block in blocks])


@router.post(
    "/{store}/file_batches",
    response_model=StoreFileBatchObject,
    responses=CHANGE,
    summary="Put files into a vector store together",
    openapi_extra=request_body(StoreFileBatchCreate),
)
async def create_vector_store_file_batch(
    store: StoreIdInPath, request: Request, response: Response
) -> StoreFileBatchObject:
    async with writes(request) as access:
        access.request.require(Scope.DOCUMENTS_WRITE)
        body: StoreFileBatchCreate = await body_of(request, StoreFileBatchCreate)
        made = await access.stores.put_batch(access.request, store, _new_files(body))
    response.headers[POLL_AFTER] = POLL_AFTER_MS
    return batch_object(made)


@router.get(
    "/{store}/file_batches/{file_batch}",
    response_model=StoreFileBatchObject,
    responses=LOOK,
    summary="Show a batch of files",
)
async def get_vector_store_file_batch(
    store: StoreIdInPath,
    file_batch: BatchIdInPath,
    request: Request,
    response: Response,
) -> StoreFileBatchObject:
    async with reads(request) as access:
        stores, tenant = access.stores, access.tenant
        async with stores.database.read() as connection:
            found = await stores.repository.batch(connection, tenant, store, file_batch)
    if found.status == "in_progress":
        response.headers[POLL_AFTER] = POLL_AFTER_MS
    return batch_object(found)


@router.post(
    "/{store}/file_batches/{file_batch}/cancel",
    response_model=StoreFileBatchObject,
    responses=CHANGE,
    summary="Cancel a batch of files",
    openapi_extra={"requestBody": {**request_body(EmptyBody)["requestBody"], "required": False}},
)
async def cancel_vector_store_file_batch(
    store: StoreIdInPath, file_batch: BatchIdInPath, request: Request
) -> StoreFileBatchObject:
    """Files that are found already stay. May be repeated."""
    async with writes(request) as access:
        if await request.body():
            await body_of(request, EmptyBody)
        cancelled = await access.stores.cancel_batch(access.tenant, store, file_batch)
    return batch_object(cancelled)


@router.get(
    "/{store}/file_batches/{file_batch}/files",
    response_model=VectorStoreFileList,
    responses=LOOK,
    summary="List the files of a batch",
)
async def list_vector_store_file_batch_files(
    store: StoreIdInPath, file_batch: BatchIdInPath, query: FilesOf, request: Request
) -> VectorStoreFileList:
    async with reads(request) as access:
        stores, tenant = access.stores, access.tenant
        async with stores.database.read() as connection:
            await stores.repository.batch(connection, tenant, store, file_batch)
            found, has_more = await stores.repository.files(
                connection,
                tenant,
                store,
                wish_of(query),
                batch=file_batch,
                status=query.filter,
            )
    return _file_page(found, has_more=has_more)


def file_object(file: StoreFile) -> VectorStoreFileObject:
    return VectorStoreFileObject(
        id=file.file,
        created_at=int(file.created),
        vector_store_id=file.store,
        status=file.status,
        last_error=None if file.error is None else StoreFileError(**file.error),
        usage_bytes=file.bytes,
        attributes=dict(file.attributes),
        chunking_strategy=StoreFileChunking(static=sizes_of(file.chunking, TOKENS, OVERLAP_TOKENS)),
    )


def batch_object(batch: FileBatch) -> StoreFileBatchObject:
    return StoreFileBatchObject(
        id=batch.id,
        created_at=int(batch.created),
        vector_store_id=batch.store,
        status=batch.status,
        file_counts=counts_object(batch.counts),
    )


def _new_file(body: VectorStoreFileCreate) -> NewStoreFile:
    chunking = chunking_of(body.chunking_strategy)
    return NewStoreFile(body.file_id, "", body.attributes or {}, chunking)


def _new_files(body: StoreFileBatchCreate) -> list[NewStoreFile]:
    """Each file once."""
    if body.files is not None:
        return list({each.file_id: _new_file(each) for each in body.files}.values())
    chunking, attributes = chunking_of(body.chunking_strategy), body.attributes or {}
    ids = dict.fromkeys(body.file_ids or ())
    return [NewStoreFile(id, "", attributes, chunking) for id in ids]


def _file_page(files: Sequence[StoreFile], *, has_more: bool) -> VectorStoreFileList:
    return VectorStoreFileList(**page_of([file_object(each) for each in files], has_more=has_more))
