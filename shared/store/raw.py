"""Raw mail, byte for byte: small ones as one document (collection `raw`), large ones in GridFS (bucket `raw_large`).

Both are written so that a repeat, after a kill at any instant or by two processes at once, completes what is missing
and changes nothing else. Files in GridFS have the layout of its specification, with chunk ids derived from the mail's;
the embedded server lists a file at length 0 as soon as its first chunk is there, so only the length tells it is whole.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from bson import Binary

from shared.domain.errors import Permanent, StoreUnavailable
from shared.observability.crash_points import crash_point
from shared.store.collection import Collection, Database, Document
from shared.store.ports import Clock

CHUNK_BYTES: Final = 255 * 1024
BUCKET: Final = "raw_large"
_TRIES: Final = 3
_AT_ONCE: Final = 16
"""Chunks written, or read of a stream, at a time: 4 MiB."""
_CHUNKS: Final = 128
"""Read at a time of a whole mail: 32 MiB, where the driver takes no answer over 48 MB."""

RawKind = Literal["inline", "gridfs"]


class RawStream(NamedTuple):
    """The bytes of a mail: how many, and the pieces they come in."""

    size: int
    chunks: AsyncIterator[bytes]


class RawMails:
    """The raw store, by mail_id."""

    def __init__(self, database: Database, clock: Clock, inline_max: int) -> None:
        self._inline = Collection(database, "raw")
        self._files = Collection(database, f"{BUCKET}.files")
        self._chunks = Collection(database, f"{BUCKET}.chunks")
        self._clock = clock
        self._inline_max = inline_max

    def kind_for(self, size: int) -> RawKind:
        """How a mail of that many bytes is kept."""
        return "inline" if size <= self._inline_max else "gridfs"

    async def put_many(self, raws: Mapping[str, bytes]) -> None:
        """Keep mails, by mail_id. What is there already is success."""
        small = {key: raw for key, raw in raws.items() if self.kind_for(len(raw)) == "inline"}
        await self._inline.insert_many([_inline(key, raw) for key, raw in small.items()])
        crash_point("store.after_small_raws")
        for key, raw in raws.items():
            if key not in small:
                await self._put_large(key, raw)

    async def get(self, mail_id: str) -> bytes:
        """The bytes of a mail. Raises Permanent if there are none, or not all of them."""
        document = await self._inline.get(mail_id)
        if document is not None:
            return bytes(document["data"])
        size = int((await self._file(mail_id))["length"])
        raw = b"".join([data async for data in self._each_chunk(mail_id, size, _CHUNKS)])
        if len(raw) != size:
            raise _missing(mail_id)
        return raw

    async def has(self, mail_ids: Sequence[str]) -> frozenset[str]:
        """Those of the mails whose bytes are kept."""
        query = {"_id": {"$in": list(mail_ids)}}
        found = [*await self._inline.find(query, only=("size",)), *await self._files.find(query, only=("length",))]
        return frozenset(one["_id"] for one in found)

    async def open(self, mail_id: str) -> RawStream:
        """A mail to be read piece by piece: never more than some chunks, or a mail that is kept inline, in memory.

        Raises Permanent if there is none, or not all of it.
        """
        document = await self._inline.get(mail_id)
        if document is not None:
            data = bytes(document["data"])
            return RawStream(len(data), _once(data))
        size = int((await self._file(mail_id))["length"])
        if len(await self._there(mail_id, size)) != -(-size // CHUNK_BYTES):
            raise _missing(mail_id)
        return RawStream(size, self._each_chunk(mail_id, size, _AT_ONCE))

    async def delete_many(self, mail_ids: Sequence[str]) -> None:
        """Delete mails. What is not there is success; of a large one the file goes last, so a repeat finds it."""
        if not mail_ids:
            return
        await self._inline.delete({"_id": {"$in": list(mail_ids)}})
        crash_point("store.after_small_raws_deleted")
        for file in await self._files.find({"_id": {"$in": list(mail_ids)}}, only=("length",)):
            await self._chunks.delete({"files_id": file["_id"]})
            crash_point("store.after_chunks_deleted")
            await self._files.delete({"_id": file["_id"]})

    async def _each_chunk(self, mail_id: str, size: int, at_once: int) -> AsyncIterator[bytes]:
        for query in _parts(mail_id, size, at_once):
            for chunk in await self._chunks.find(query, sort=(("n", 1),)):
                yield bytes(chunk["data"])

    async def _there(self, mail_id: str, size: int) -> frozenset[int]:
        """Which chunks are there. The embedded server sends their content too, whatever is asked for."""
        parts = [await self._chunks.find(query, only=("n",)) for query in _parts(mail_id, size, _CHUNKS)]
        return frozenset(int(one["n"]) for part in parts for one in part)

    async def _file(self, mail_id: str) -> Document:
        file = await self._files.get(mail_id)
        if file is None or not int(file["length"]):
            raise _missing(mail_id)
        return file

    async def _put_large(self, mail_id: str, raw: bytes) -> None:
        if await self._whole(mail_id, len(raw)):
            return
        for left in reversed(range(_TRIES)):
            try:
                await self._add_chunks(mail_id, raw)
                break
            except StoreUnavailable:
                # The embedded server answers a repeated chunk with a plain error: look again at what is missing.
                if not left:
                    raise
        await self._files.insert(
            {
                "_id": mail_id,
                "length": len(raw),
                "chunkSize": CHUNK_BYTES,
                "uploadDate": self._clock.now(),
                "filename": mail_id,
            }
        )

    async def _whole(self, mail_id: str, size: int) -> bool:
        file = await self._files.get(mail_id)
        return file is not None and int(file["length"]) == size

    async def _add_chunks(self, mail_id: str, raw: bytes) -> None:
        there = await self._there(mail_id, len(raw))
        missing = [n for n in range(-(-len(raw) // CHUNK_BYTES)) if n not in there]
        for first in range(0, len(missing), _AT_ONCE):
            await self._chunks.insert_many([_chunk(mail_id, n, raw) for n in missing[first : first + _AT_ONCE]])
            crash_point("store.after_chunks")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _inline(mail_id: str, raw: bytes) -> Document:
    return {"_id": mail_id, "size": len(raw), "data": Binary(raw)}


def _chunk(mail_id: str, n: int, raw: bytes) -> Document:
    data = Binary(raw[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES])
    return {"_id": f"{mail_id}:{n}", "files_id": mail_id, "n": n, "data": data}


def _parts(mail_id: str, size: int, at_once: int) -> Iterator[Document]:
    """What finds all chunks, some at a time: the embedded server puts all it finds into one answer, however large."""
    for first in range(0, -(-size // CHUNK_BYTES), at_once):
        yield {"files_id": mail_id, "n": {"$gte": first, "$lt": first + at_once}}


def _missing(mail_id: str) -> Permanent:
    return Permanent("the raw mail is not in the store", where=f"mail {mail_id}", code="raw_missing")
