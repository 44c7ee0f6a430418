"""What a call can fail with."""


class DispatchError(Exception):
    """What a call of this client fails with. There is never a key in it."""

    code: str
    """What kind. Of the client: `invalid_input`, `invalid_state`, `not_connected`, `aborted`, `timeout`, `unreachable`,
    `http`; of sessions also `server`, `refused`, `closed`, `media`, `rejected`; or what the server calls it, such as
    `unauthorized` or `turn-active`. Servers that are newer than this client can have more."""
    message: str
    """For people; if it is the server's, in its own words."""
    status: int | None
    """The status of the HTTP answer, if it was one."""
    type: str | None
    """What the server of a realtime session calls it, if it does: `insufficient_credits`, for example."""
    permanent: bool
    """Whether another attempt would end in the same way."""

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        type: str | None = None,
        permanent: bool = False,
    ) -> None:
        super().__init__(code, message, status, type, permanent)
        self.code = code
        self.message = message
        self.status = status
        self.type = type
        self.permanent = permanent

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        details = {"status": self.status, "type": self.type, "permanent": self.permanent or None}
        known = "".join(f", {name}={value!r}" for name, value in details.items() if value is not None)
        return f"DispatchError({self.code!r}, {self.message!r}{known})"
