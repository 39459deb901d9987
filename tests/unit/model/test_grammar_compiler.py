"""The openvino worker's compilations beside its pipeline, over a fake library."""

import threading

import pytest

from deployments.model.engines import openvino_grammars
from deployments.model.engines.openvino_grammars import GrammarCompiler, GrammarResult


def _wait(compiler: GrammarCompiler) -> GrammarResult | None:
    return compiler.take(wait_s=30.0)


def test_a_grammar_is_compiled_once() -> None:
    compiled: list[str] = []
    compiler = GrammarCompiler(compiled.append)

    assert compiler.advance(["a", "b"], blocked=False, wait_s=0.0) is None
    assert _wait(compiler) == GrammarResult("a", "")
    compiler.advance(["a", "b"], blocked=False, wait_s=0.0)
    _wait(compiler)
    compiler.advance(["a", "b"], blocked=False, wait_s=0.0)

    assert compiled == ["a", "b"]
    assert compiler.knows("a")
    assert not compiler.busy


def test_none_is_started_while_the_pipeline_looks_one_up() -> None:
    compiler = GrammarCompiler(lambda _: None)

    compiler.advance(["a"], blocked=True, wait_s=0.0)

    assert not compiler.busy


def test_what_fails_is_reported_and_not_known() -> None:
    def fail(grammar: str) -> None:
        raise RuntimeError(f"bad {grammar}")

    compiler = GrammarCompiler(fail)
    compiler.start("x")

    assert _wait(compiler) == GrammarResult("x", "RuntimeError: bad x")
    assert not compiler.knows("x")


def test_a_compilation_that_does_not_end_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    compiler = GrammarCompiler(lambda _: release.wait(30.0) and None)
    compiler.start("x")
    assert not compiler.stuck

    monkeypatch.setattr(openvino_grammars, "_PATIENCE_S", -1.0)

    assert compiler.stuck
    release.set()
    _wait(compiler)
    assert not compiler.stuck
