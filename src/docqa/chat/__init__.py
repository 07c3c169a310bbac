"""The web chat: ``build_chat`` makes the page, ``launch`` serves it. Importing this package loads no Gradio."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docqa.chat.app import build_chat
    from docqa.chat.serving import check_port, is_loopback, launch

__all__ = ["build_chat", "check_port", "is_loopback", "launch"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _keep_quiet()
    from docqa.chat.app import build_chat
    from docqa.chat.serving import check_port, is_loopback, launch

    return {"build_chat": build_chat, "check_port": check_port, "is_loopback": is_loopback, "launch": launch}[name]


def _keep_quiet() -> None:
    """Keep Gradio's hub client from reporting to its makers, which it does on launch even with analytics off."""
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = True
    constants.HF_HUB_DISABLE_TELEMETRY = True
