"""`scale`: how many of a function may run at once. More of them do not make M-Pesa answer more."""

from billing.mpesa.pace import REQUESTS_PER_MINUTE
from deploy.on_aws.stage import FUNCTIONS, Stage
from deploy.refusal import Refusal

SCHEDULED = 2  # a run of each minute, and the one before it that still ends
LEAST = {"auth": 1, "payment": SCHEDULED + 1, "session": SCHEDULED, "coa": SCHEDULED}


def check(function: str, at_once: int, mpesa_per_minute: int = REQUESTS_PER_MINUTE) -> None:
    """Refuse a number that stops the work or that M-Pesa cannot follow.

    `mpesa_per_minute`: requests that Safaricom grants the shortcode, as the setting of that name.

    Raises:
        Refusal: with the reason.
    """
    least = LEAST[function]
    if at_once < least:
        raise Refusal(f"{FUNCTIONS[function]} needs {least} at once: a schedule starts it each minute")
    if function == "payment" and at_once > mpesa_per_minute:
        raise Refusal(
            f"M-Pesa answers {mpesa_per_minute} requests a minute for a shortcode: of {at_once} at once the rest only"
            " waits, and is paid for. If Safaricom granted more: --mpesa-per-minute N"
        )


def scale(stage: Stage, function: str, at_once: int | None) -> None:
    """Reserve `at_once` runs for a function, or with None take the reservation away. Raises Refusal as `check`."""
    client, name = stage.client("lambda"), FUNCTIONS[function] + stage.suffix
    try:
        if at_once is None:
            client.delete_function_concurrency(FunctionName=name)
        else:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=at_once)
    except client.exceptions.ResourceNotFoundException:
        raise Refusal(f"no function {name} in {stage.region}") from None
    except client.exceptions.InvalidParameterValueException as refused:
        raise Refusal(f"AWS refuses: {refused.response['Error']['Message']}") from None


def reserved(stage: Stage) -> dict[str, int | None]:
    """What is reserved for each function; None for nothing."""
    client = stage.client("lambda")
    found = {}
    for name in stage.functions:
        reply = client.get_function_concurrency(FunctionName=name)
        found[name] = reply.get("ReservedConcurrentExecutions")
    return found
