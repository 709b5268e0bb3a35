"""Bench subject (c): hooks that do nothing, the ceiling of rlm_python3 itself."""

RLM_MODULE_OK = 2


def authorize(request: object) -> int:
    return RLM_MODULE_OK


def accounting(request: object) -> int:
    return RLM_MODULE_OK
