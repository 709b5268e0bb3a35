"""Entry point of `deploy/aws`: the commands, and how their faults are told."""

import getpass
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from billing.mpesa.pace import REQUESTS_PER_MINUTE
from deploy.on_aws import (
    costing,
    document,
    downing,
    enhancing,
    package,
    prepare,
    rolling,
    scaling,
    standing,
    templates,
    upping,
    versions,
)
from deploy.on_aws.stage import FUNCTIONS, Stage
from deploy.on_aws.upping import Clock
from deploy.on_aws.window import plan
from deploy.options import ROOT
from deploy.refusal import Refusal, exit_code, say
from radius.settings import FILE_VARIABLE

HOUR_S = 3_600.0
HOURS_MAX = 72.0  # of looking closer, which costs
TIME = "%Y-%m-%dT%H:%M"

app = typer.Typer(
    name="deploy/aws",
    help="The stack on AWS: `prepare` once for a stage, then `up`.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_StageName = Annotated[str, typer.Option("--stage", help="staging, prod, or another of your own.")]
_Region = Annotated[str, typer.Option(envvar="AWS_REGION", help="Like af-south-1.")]
_Endpoint = Annotated[str | None, typer.Option(envvar="AWS_ENDPOINT_URL", help="Another AWS: an emulator.")]
_Package = Annotated[Path | None, typer.Option("--package", help="A zip that `build` has made.")]
STAGE: str = upping.STAGING


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="Where the zip goes.")] = upping.PACKAGE,
    python: Annotated[str, typer.Option(help="Lambda's Python.")] = package.PYTHON,
) -> None:
    """Build the package of the four functions: the same bytes from the same commit."""
    made = package.build(out.absolute(), python)
    say(f"{made.path}: {made.bytes_zipped:,} bytes, {made.bytes_unzipped:,} unpacked, sha256 {made.sha256}")


@app.command("prepare")
def prepare_(
    stage: _StageName = STAGE,
    region: _Region = "",
    endpoint: _Endpoint = None,
    answers: Annotated[Path | None, typer.Option("--from", help="A TOML file of answers; nothing is asked.")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="A settings.toml of messages, letters, duty; empty: none.")
    ] = None,
) -> None:
    """Tell the stage's parameters and M-Pesa's secrets, once; keys that nobody needs to know are made."""
    place, found = Stage(stage, region, endpoint), prepare.answers_of(answers) if answers else {}
    checked = document.read(place, settings) if settings else None
    changed = prepare.prepare(place, found, None if answers else _ask, checked)
    say(f"kept: {', '.join(changed)}" if changed else "nothing new")


@app.command()
def check(region: _Region = "af-south-1") -> None:
    """Let CloudFormation's schema look at every template; needs no account."""
    templates.check(region)
    say("the templates are known to CloudFormation")


@app.command()
def up(
    stage: _StageName = STAGE,
    region: _Region = "",
    endpoint: _Endpoint = None,
    zipped: _Package = None,
    now: Annotated[str, typer.Option("--now", metavar="REASON", help="Against the rules of production.")] = "",
    watch: Annotated[float | None, typer.Option(help="Minutes; production: 60, else 0.")] = None,
) -> None:
    """Deploy this commit."""
    place = Stage(stage, region, endpoint)
    templates.check(region)
    place.need_bucket()
    minutes = watch if watch is not None else 60.0 * place.is_production
    made = package.read(zipped) if zipped else None
    upping.allow(place, made, time.time(), now, minutes * 60)  # before the minute that building takes
    made = made or package.build(upping.PACKAGE)
    live = upping.up(place, made, reason=now, watch_s=minutes * 60, clock=Clock())
    outputs = place.outputs()
    say(f"{place.stack} serves at {outputs['ApiUrl']}: {_versions(live)}")
    if target := outputs.get("ApiTarget"):
        say(f"that name must lead there, by a CNAME: {target}")
    if place.is_production:
        _tell(place, "resolved", "The works are done.", "Kazi imekamilika.")


@app.command()
def announce(
    english: str,
    swahili: str,
    at: Annotated[datetime | None, typer.Option(formats=[TIME], help="Nairobi time; default: the next window.")] = None,
    stage: _StageName = "prod",
    region: _Region = "",
    endpoint: _Endpoint = None,
) -> None:
    """Announce works to every site's customers; `up` wants this 48 hours before."""
    place, now = Stage(stage, region, endpoint), time.time()
    planned = plan(at, datetime.fromtimestamp(now, UTC))
    place.need_bucket()
    _tell(place, "planned", english, swahili, f"--at={planned:{TIME}}", "--hours=2")
    upping.announce(place, planned, english, now)
    say(f"announced for {planned:%A %Y-%m-%d %H:%M} Nairobi time")


@app.command()
def status(stage: _StageName = STAGE, region: _Region = "", endpoint: _Endpoint = None) -> None:
    """The stack and its parts, live versions, alarms that are on or missing. Exit code 1 when something is wrong."""
    problems = standing.tell(Stage(stage, region, endpoint))
    if problems:
        raise typer.Exit(1)


@app.command()
def rollback(
    stage: _StageName = STAGE,
    region: _Region = "",
    endpoint: _Endpoint = None,
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "",
) -> None:
    """Set every function to the version before, and verify it by its alias and by asking the pages."""
    place = Stage(stage, region, endpoint)
    done = rolling.rollback(place, reason, Clock())
    say(f"verified: {_versions(done.versions)}. Deploy the template of {done.commit[:12]} when there is time")


@app.command()
def history(stage: _StageName = STAGE, region: _Region = "", endpoint: _Endpoint = None, as_json: bool = False) -> None:
    """What was deployed, when, by whom, and the versions that were live afterwards; the newest last."""
    found = versions.history(Stage(stage, region, endpoint))
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=1))
        return
    if not found:
        say(f"nothing of {stage} was deployed in {region}")
    for each in found:
        line = (each.at, each.commit[:12], each.what, _versions(each.versions), each.who, each.reason)
        print("  ".join(line).rstrip())


@app.command()
def scale(
    function: Annotated[str, typer.Argument(help=", ".join(FUNCTIONS))],
    at_once: Annotated[str, typer.Argument(help="A number, or `any` for no reservation.")],
    mpesa_per_minute: Annotated[int, typer.Option(help="What Safaricom grants the shortcode.")] = REQUESTS_PER_MINUTE,
    stage: _StageName = STAGE,
    region: _Region = "",
    endpoint: _Endpoint = None,
) -> None:
    """Reserve how many runs of a function there may be at once."""
    if function not in FUNCTIONS or not (at_once == "any" or re.fullmatch("[0-9]{1,6}", at_once)):
        raise Refusal(f"must be one of {', '.join(FUNCTIONS)}, and a number or `any`")
    number = None if at_once == "any" else int(at_once)
    if number is not None:
        scaling.check(function, number, mpesa_per_minute)
    scaling.scale(Stage(stage, region, endpoint), function, number)
    say(f"{FUNCTIONS[function]}: {'no reservation' if number is None else f'{number} at once'}")


@app.command()
def enhance(
    switch: Annotated[str, typer.Argument(help="on or off")],
    hours: Annotated[float, typer.Option("--for", help="Hours; then it is switched off.")] = 2.0,
    layer: Annotated[str | None, typer.Option(help="ARN of the Lambda Insights layer of this Region.")] = None,
    stage: _StageName = STAGE,
    region: _Region = "",
    endpoint: _Endpoint = None,
) -> None:
    """Look closer for a while. The command stays until it is over; Ctrl-C ends it early and switches off."""
    place = Stage(stage, region, endpoint)
    if switch == "off":
        enhancing.off(place)
        return
    if switch != "on":
        raise Refusal("must be on or off")
    if not 0 < hours <= HOURS_MAX:
        raise Refusal(f"--for {hours:g}: must be more than 0 and at most {HOURS_MAX:g} hours")
    enhancing.on(place, time.time() + hours * HOUR_S, layer)
    try:
        time.sleep(hours * HOUR_S)
    finally:
        enhancing.off(place)


@app.command()
def down(
    stage: _StageName = STAGE,
    region: _Region = "",
    endpoint: _Endpoint = None,
    delete_data: Annotated[str, typer.Option(metavar="STACK", help="Also tables; the stack's name.")] = "",
    really: Annotated[str, typer.Option(metavar="STACK", help="Once more.")] = "",
) -> None:
    """Take away what serves. Tables stay; to delete them too, after a backup, name the stack twice."""
    place = Stage(stage, region, endpoint)
    if delete_data:
        taken = downing.delete_data(place, delete_data, really, time.time())
        say(f"{place.stack} is deleted; {len(taken)} backups stay: {', '.join(taken)}")
        return
    if place.is_production and really != place.stack:
        raise Refusal(f"nobody could log in or pay any more: --really {place.stack}")
    downing.down(place)


@app.command()
def cost(
    customers: int = 1_000,
    sessions: Annotated[float, typer.Option(help="Log-ins of a customer a day.")] = 2.0,
    online: Annotated[float, typer.Option(help="Hours that one lasts.")] = 2.0,
    interim: Annotated[int, typer.Option(help="Seconds between interim updates.")] = 300,
    payments: Annotated[float, typer.Option(help="Of a customer a day.")] = 0.5,
    packages: int = 6,
    nodes: Annotated[int, typer.Option(help="RADIUS nodes; 0: they are elsewhere.")] = 2,
    region: _Region = "af-south-1",
    factor: Annotated[float | None, typer.Option(help="How much dearer than us-east-1; default: assumed.")] = None,
) -> None:
    """What a month costs, from what the code was measured to ask for. Needs no account."""
    site = costing.Site(customers, sessions, online, interim, payments, packages, nodes)
    times, listed = costing.factor(region) if factor is None else factor, costing.prices()
    found = costing.lines(site, times)
    for line in found:
        print(f"{line.dollars:10.2f}  {line.what}: {line.how_much}")
    print(f"{sum(line.dollars for line in found):10.2f}  {listed['currency']} a month in {region}")
    print(f"Prices of {listed['region']}, {listed['date']}, times {times:g}; no SMS, no tax, no free tier, no support.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, stage: _StageName = STAGE, region: _Region = "", endpoint: _Endpoint = None) -> None:
    """Run a `wifibilling` command on this stage's tables: deploy/aws run --stage prod -- ledger check."""
    raise typer.Exit(_wifibilling(Stage(stage, region, endpoint), *context.args))


def _tell(stage: Stage, *words: str) -> None:
    if _wifibilling(stage, "sites", "tell", *words):
        raise Refusal("the announcement could not be made: deploy/aws run -- doctor")


def _wifibilling(stage: Stage, *arguments: str) -> int:
    stage.account  # noqa: B018 - credentials that do not work are told of here
    if not prepare.parameters(stage):
        raise Refusal(f"nothing is known of {stage.name} yet: deploy/aws prepare --stage {stage.name}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WIFIBILLING_", "MPESA_"))}
    Path(stage.variables["WIFIBILLING_STATE_DIR"]).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-m", "billing.cli", *arguments]
    prefix = prepare.serving_prefix(stage)
    environment = {**kept, **stage.variables, "WIFIBILLING_TABLE_PREFIX": prefix, "PYTHONPATH": str(ROOT)}
    if reference := prepare.settings_reference(stage):
        environment |= {FILE_VARIABLE: reference}
    return subprocess.run(command, env=environment, check=False).returncode


def _ask(name: str, what: str, secret: bool) -> str:
    reads: Callable[[str], str] = getpass.getpass if secret else input
    while not (found := reads(f"{name}{f' ({what})' if what else ''}: ").strip()):
        pass
    return found


def _versions(live: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in live.items())


def _interrupt(number: int, _: object) -> None:
    """What is half done is put back, as after Ctrl-C: the shell that went away had an hour of looking in it."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run one command; AWS's own refusals are one line too."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is signal.SIG_DFL:  # else nohup is meant
            signal.signal(each, _interrupt)
    os.environ.setdefault("COMMAND", "deploy/aws")  # who refuses says so, however it was started
    try:
        code = app(prog_name="deploy/aws", standalone_mode=False)
    except (ClientError, BotoCoreError) as refused:
        raise Refusal(f"AWS: {refused}") from None
    except typer.Exit as ended:
        return ended.exit_code
    except typer.Abort:
        return 130
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(exit_code(main))
