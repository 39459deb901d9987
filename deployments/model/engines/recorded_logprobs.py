"""Log probabilities out of transformers' continuous batching, which reports none of its own use.

In: the sequences that want them, and the logits of each step, before temperature and other
processors change them. Out: an entry for each new token, which the library carries to its outputs
in place of its own figures. Only for steps that run eagerly, one after the other: a recorded graph
would not call what is hooked in here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

Alternatives = tuple[tuple[int, float], ...]


class LogprobEntry(NamedTuple):
    """Of one generated token; with those of the prompt on a sequence's first."""

    logprob: float
    top: Alternatives
    prompt: tuple[float | None, ...] = ()
    prompt_top: tuple[Alternatives, ...] = ()


class _RecordedSequence:
    """What is wanted of one sequence, and what is known of its prompt."""

    def __init__(self, alternatives: int, prompt: Sequence[int]) -> None:
        """`prompt` is empty where its log probabilities are not wanted."""
        self.alternatives = alternatives
        self.prompt = prompt
        self.known: list[LogprobEntry] = []

    @property
    def needs_prompt(self) -> bool:
        """Whether the prompt has tokens of which nothing is known; the first has no probability."""
        return len(self.known) < len(self.prompt) - 1

    def add_prompt(self, rows: Any) -> None:
        """Logits of the next positions of the prompt."""
        following = self.prompt[len(self.known) + 1 :][: len(rows)]
        self.known += _entries(rows[: len(following)], following, self.alternatives)

    def entry(self, row: Any, token: int) -> LogprobEntry:
        """Of a generated token; the first one takes the prompt along."""
        (entry,) = _entries(row[None], [token], self.alternatives)
        if not self.prompt:
            return entry
        logprobs = (None, *(each.logprob for each in self.known))
        top = ((), *(each.top for each in self.known)) if self.alternatives else ()
        self.prompt = ()
        return entry._replace(prompt=logprobs, prompt_top=top)


class LogprobRecorder:
    """`want` and `forget` may be called from another thread than the one that takes steps."""

    def __init__(self) -> None:
        self._wanted: dict[str, _RecordedSequence] = {}
        self._logits: Any = None

    def want(self, request_id: str, alternatives: int, prompt: Sequence[int]) -> None:
        """Record a sequence from now on; `prompt` as for _RecordedSequence."""
        self._wanted[request_id] = _RecordedSequence(alternatives, prompt)

    def forget(self, request_id: str) -> None:
        self._wanted.pop(request_id, None)

    def attach(self, batch_processor: Any) -> None:
        """Hook into a batch processor's steps."""
        runner, outputs = batch_processor.model_runner, batch_processor.inputs_and_outputs
        forward, prepare_update = runner._forward_process_and_sample, outputs.prepare_batch_update

        def forward_and_record(model: Any, batch_data: dict[str, Any], *rest: Any) -> None:
            self._logits = None
            sequences = list(self._wanted.values())
            if not sequences:
                forward(model, batch_data, *rest)
                return
            if any(sequence.needs_prompt for sequence in sequences):
                batch_data.pop("logits_to_keep", None)  # all positions, not the last ones only

            def record(**inputs: Any) -> Any:
                output = model(**inputs)
                self._logits = output.logits[0]
                return output

            try:
                forward(record, batch_data, *rest)
            except Exception:
                self._logits = None
                raise

        def update_with_logprobs() -> tuple[Any, list[int], Any]:
            requests, tokens, own = prepare_update()
            if self._logits is None:
                return requests, tokens, own
            return requests, tokens, self._entries(requests, tokens)

        runner._forward_process_and_sample = forward_and_record
        outputs.prepare_batch_update = update_with_logprobs

    def _entries(self, requests: Sequence[Any], tokens: Sequence[int]) -> list[LogprobEntry | None]:
        """One for each new token; None where it is not wanted."""
        logits, entries = self._logits, list[LogprobEntry | None]()
        has_all = len(logits) == sum(request.query_length for request in requests)
        start = 0
        for request in requests:
            sequence = self._wanted.get(request.state.request_id)
            end = start + request.query_length
            if sequence is not None and has_all and sequence.needs_prompt:
                sequence.add_prompt(logits[start:end])
            if request.has_new_token:
                row, token = end - 1 if has_all else len(entries), tokens[len(entries)]
                entries.append(None if sequence is None else sequence.entry(logits[row], token))
            start = end
        return entries


def _entries(rows: Any, tokens: Sequence[int], alternatives: int) -> list[LogprobEntry]:
    """The natural logs of the probabilities that each row of logits gives to its token."""
    import torch

    if not len(tokens):
        return []
    logprobs = torch.log_softmax(rows.float(), dim=-1)
    chosen = logprobs.gather(1, torch.tensor(tokens, device=rows.device)[:, None])[:, 0].tolist()
    if not alternatives:
        return [LogprobEntry(value, ()) for value in chosen]
    best = logprobs.topk(alternatives, dim=-1)
    tops = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [
        LogprobEntry(value, tuple(zip(ids, values, strict=True)))
        for value, (ids, values) in zip(chosen, tops, strict=True)
    ]
