"""Video: the clip workers, and the ingress's video config."""

from ray import serve
from ray.serve import Application

from deployments.speech.models import is_off
from deployments.video.config import VideoConfig
from deployments.video.deployment import ClipperReplica
from graphs.args import AppArgs
from graphs.options import clipper_options

SHIPPED = "nano"  # its source (deployments/model/spec.py)


def video_config(args: AppArgs) -> VideoConfig:
    video = args.video
    model = args.content.providers.get(args.default_provider, args.default_provider)
    return VideoConfig(
        enabled=video.enabled,
        jobs=video.jobs,
        side_by_side=video.side_by_side,
        piece_cpus=video.piece_cpus,
        speech=None if is_off(video.speech) else video.speech,
        writer=model if _uses_model_texts(args, model) else None,
        gpu=video.gpu,
        store=video.store,
        max_form_bytes=video.max_form_mib << 20,
    )


def _uses_model_texts(args: AppArgs, model: str) -> bool:
    """Whether the model writes clip texts; the shipped one must be enabled explicitly."""
    if args.video.texts is not None:
        return args.video.texts
    return all(each.source != SHIPPED for each in args.models if each.id == model)


def clipper(args: AppArgs) -> Application | None:
    """The bound deployment, or None if video is off."""
    if not args.video.enabled:
        return None
    return serve.deployment(ClipperReplica, **clipper_options(args.video)).bind(video_config(args))
