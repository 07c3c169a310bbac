"""The web chat: ``build_chat`` makes the page, ``launch`` serves it. Importing this package loads no Gradio."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docqa.chat.app import build_chat
    from docqa.chat.guarding.hosts import is_loopback
    from docqa.chat.serving import check_host, check_port, launch

__all__ = ["build_chat", "check_host", "check_port", "is_loopback", "launch"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _keep_quiet()
    from docqa.chat import app, serving
    from docqa.chat.guarding import hosts

    module = {"build_chat": app, "is_loopback": hosts}.get(name, serving)
    return getattr(module, name)


def _keep_quiet() -> None:
    """Keep Gradio's hub client from reporting to its makers, which it does on launch even with analytics off."""
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = True
    constants.HF_HUB_DISABLE_TELEMETRY = True
