"""The stage that opens recordings and pictures of callers."""

from ray import serve
from ray.serve import Application

from deployments.media.config import MediaConfig
from deployments.media.deployment import MediaReplica
from graphs.args import AppArgs
from graphs.options import media_options


def media_config(args: AppArgs) -> MediaConfig:
    return MediaConfig(
        enabled=args.media.enabled,
        store=args.video.store,
        speech=args.video.speech,
        short_s=args.media.short_s,
        jobs=args.media.jobs,
        max_form_bytes=args.video.max_form_mib << 20,
    )


def media(args: AppArgs) -> Application | None:
    """The bound deployment, or None if it is off."""
    if not args.media.enabled:
        return None
    deployment = serve.deployment(MediaReplica, **media_options(args.media, args.video))
    return deployment.bind(media_config(args))
