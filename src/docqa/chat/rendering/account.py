"""The way out, where there is a login."""


def render_account() -> str:
    """Render the button that logs out; a form, which works without scripts."""
    return (
        '<form class="docqa-account" method="post" action="/logout">'
        '<button type="submit" class="docqa-quiet">Log out</button></form>'
    )
