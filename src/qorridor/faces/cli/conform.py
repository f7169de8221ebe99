"""`qorridor conform`: the conformance and abuse suite for ETSI GS QKD 014 against any vendor's KME."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qorridor.app.conform.command import Request
    from qorridor.prove.conformance.verdicts import Case, Profile, Report, Result

_FILE = click.Path(path_type=Path)
_HOOKS = ("restart", "revoke", "peer-stop", "peer-start")


def _asked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Who is asked and by whom."""
    for option in reversed([
        click.option("--kme", required=True, metavar="URL", help="The KME under test: https://HOST[:PORT]."),
        click.option("--peer-kme", default="", metavar="URL", help="The KME of SAE B (default: the same)."),
        click.option("--sae", type=_FILE, metavar="PEM", help="SAE A: chain and key, or the key in NAME.key."),
        click.option("--peer-sae", type=_FILE, metavar="PEM", help="SAE B, which may share keys with A."),
        click.option("--third-sae", type=_FILE, metavar="PEM", help="SAE C, which may share keys with A."),
        click.option("--third-kme", default="", metavar="URL", help="The KME of C (default: that of B)."),
        click.option("--outsider", type=_FILE, metavar="PEM", help="A valid certificate that belongs to no SAE."),
        click.option("--bad-certificate", "bad", multiple=True, metavar="KIND=PEM",
                     help="A's certificate, but expired, not-yet-valid, wrong-use, revoked or revocable."),
        click.option("--ca", type=_FILE, metavar="PEM", help="What verifies the KMEs' certificates."),
        click.option("--sae-id", "names", multiple=True, metavar="ROLE=ID",
                     help="SAE ID of A, B or C (default: URI name or common name of the certificate)."),
    ]):  # fmt: skip
        function = option(function)
    return function


def _pressed(function: Callable[..., Any]) -> Callable[..., Any]:
    """What is done, how far, and where the report goes."""
    hooks = [
        click.option(f"--{name}-hook", metavar="CMD", help=words)
        for name, words in zip(_HOOKS, (
            "Restarts the KME.", "Revokes the certificate of --bad-certificate revocable=.",
            "Stops the peer KME.", "Starts the peer KME again.",
        ), strict=True)
    ]  # fmt: skip
    for option in reversed([
        *hooks,
        click.option("--unsatisfiable", metavar="JSON", help="A mandatory extension that the KME knows and cannot meet."),
        click.option("--profile", type=click.Choice(["all", "spec", "qorridor", "abuse"]), default="all",
                     show_default=True, help="spec: the standard; abuse: attacks; qorridor: our decisions bind too."),
        click.option("--case", "names_of_cases", multiple=True, metavar="C17", help="Only this case; may be repeated."),
        click.option("--budget", type=click.IntRange(1), default=2000, show_default=True, help="Most keys to burn."),
        click.option("--timeout", type=click.FloatRange(0.1, 600), default=10.0, show_default=True,
                     help="Seconds that an answer may take."),
        click.option("--out", type=_FILE, help="Also write the report: NAME.json or NAME.html; may be repeated.",
                     multiple=True),
        click.option("--yes", "is_agreed", is_flag=True, help="The keys of a KME elsewhere may be burnt."),
        options.dry_run("List the cases and what they need; connect to nobody."),
    ]):  # fmt: skip
        function = option(function)
    return function


@click.command(
    help="Run the conformance and abuse suite of ETSI GS QKD 014 against a KME; exit 1 when a "
    "mandatory case fails."
)
@_asked
@_pressed
@click.pass_obj
def command(session: Session, /, **words: Any) -> int:
    """It burns keys: what it may burn is said first. `words` are the two dozen options above by name."""
    from qorridor.prove.conformance.table import keys_of, selected  # noqa: PLC0415 - keeps help cheap
    from qorridor.prove.conformance.verdicts import Profile  # noqa: PLC0415

    profile = Profile(words["profile"])
    try:
        cases = selected(profile, words["names_of_cases"])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    for path in words["out"]:
        if path.suffix not in {".json", ".html"}:
            raise click.UsageError(f"{path}: a report is .json or .html")
    request = _request(words, dry_run=session.dry_run)
    if session.dry_run:
        _list(session, request, cases)
        return 0
    drains = any(case.name == "C16" for case in cases)
    draining = ", and the stock is drained as far as the budget goes" if drains else ""
    cost = f"up to {keys_of(cases, None)} keys and one full request are burnt{draining}"
    output.say(session, f"{cost}; budget {request.budget}")
    return _run(session, request, cases, profile, words["out"])


def _request(words: dict[str, Any], *, dry_run: bool) -> Request:
    from qorridor.app.conform.command import (  # noqa: PLC0415
        BAD_KINDS,
        Request,
        addresses,
        read_extension,
    )

    needed = {"--sae": words["sae"], "--peer-sae": words["peer_sae"], "--ca": words["ca"]}
    absent = [name for name, value in needed.items() if value is None]
    if absent and not dry_run:
        raise click.UsageError(f"Missing option {', '.join(absent)}.")
    try:
        request = Request(
            kme=words["kme"], sae=words["sae"] or Path(), peer_sae=words["peer_sae"] or Path(),
            ca=words["ca"] or Path(), peer_kme=words["peer_kme"], third_sae=words["third_sae"],
            third_kme=words["third_kme"], outsider=words["outsider"],
            bad={kind: Path(file) for kind, file in _pairs(words["bad"], BAD_KINDS).items()},
            names=_pairs(words["names"], ("A", "B", "C")),
            hooks={n: c for n in _HOOKS if (c := words[f"{n.replace('-', '_')}_hook"])},
            unsatisfiable=read_extension(words["unsatisfiable"]) if words["unsatisfiable"] else None,
            budget=words["budget"], seconds=words["timeout"], is_agreed=words["is_agreed"],
        )  # fmt: skip
        addresses(request)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return request


def _pairs(given: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE words; raises ValueError for another form or an unknown name."""
    pairs = [text.partition("=") for text in given]
    wrong = next((name for name, sign, value in pairs if name not in known or not sign or not value), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is none of {', '.join(f'{name}=…' for name in known)}")
    return {name: value for name, _, value in pairs}


def _list(session: Session, request: Request, cases: Sequence[Case]) -> None:
    from qorridor.app.conform.command import missing  # noqa: PLC0415

    rows = [
        {"case": case.name, "level": str(case.level), "clause": case.clause, "title": case.title,
         "keys": case.keys, "requests_in_full": case.per_request, "missing": missing(case, request)}
        for case in cases
    ]  # fmt: skip
    lines = [
        [str(row["case"]), str(row["level"]), str(row["clause"]), _cost(case), str(row["title"]),
         f"skipped without {row['missing']}" if row["missing"] else ""]
        for row, case in zip(rows, cases, strict=True)
    ]  # fmt: skip
    total = sum(case.keys for case in cases)
    text = output.table(lines, ("case", "level", "clause", "keys", "title", ""))
    output.emit(session, {"kme": request.kme, "budget": request.budget, "keys": total, "cases": rows},
                f"{text}\n{len(cases)} cases, up to {total} keys and one full request. Nothing was sent.")  # fmt: skip


def _cost(case: Case) -> str:
    full = {"C10": "+ a full request", "C16": "the stock"}.get(case.name, "")
    return f"{case.keys or ''} {full}".strip()


def _run(
    session: Session, request: Request, cases: Sequence[Case], profile: Profile, files: Sequence[Path]
) -> int:
    from qorridor.adapters.wire.files import write_atomically  # noqa: PLC0415
    from qorridor.app.conform.command import conform  # noqa: PLC0415
    from qorridor.faces.report.conformance import as_json, html  # noqa: PLC0415
    from qorridor.prove.conformance.document import document  # noqa: PLC0415

    with output.progress(session, "cases", len(cases)) as bar:

        def told(_: Result) -> None:
            bar.step()

        report = conform(request, cases, profile, told)
    made = document(report)
    for path in files:
        write_atomically(path, html(made) if path.suffix == ".html" else as_json(made), mode=0o644)
        output.say(session, output.written(path, dry_run=False))
    output.emit(session, made, _text(report, with_evidence=session.verbose > 0))
    return 0 if report.holds else 1


def _text(report: Report, *, with_evidence: bool) -> str:
    rows, heads = [], ("case", "level", "verdict", "clause", "title")
    for result in report.results:
        case = result.case
        rows.append([case.name, str(case.level), str(result.verdict), case.clause, case.title])
    lines = output.table(rows, heads).split("\n")
    shown = [lines[0]]
    for line, result in zip(lines[1:], report.results, strict=True):
        shown += [line, *_under(result, with_evidence=with_evidence)]
    return "\n".join([*shown, "", *_summary(report)])


def _under(result: Result, *, with_evidence: bool) -> list[str]:
    """Why a case did not pass; with -v its notes and what was on the wire."""
    lines = [f"      {result.reason}"] if result.reason else []
    if not with_evidence:
        return lines
    lines += [f"      note: {note}" for note in result.notes]
    for seen in result.evidence:
        lines += [f"      {seen.party}, {seen.tls}"]
        lines += [f"      > {line}" for line in seen.sent.splitlines() if line]
        lines += [f"      < {line}" for line in seen.received.splitlines() if line]
    if result.unshown:
        lines.append(f"      {result.unshown} more exchanges are not shown")
    return lines


def _summary(report: Report) -> list[str]:
    target = report.target
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts.items())
    name, tls = target.get("source_KME_ID", "without a KME ID"), f"{target['tls']} {target['group']}"
    lines = [
        f"{target['kme']} ({name}), {tls}, profile {report.profile}",
        f"{counts}; {report.burnt} keys burnt",
    ]
    if report.unjudged:
        lines.append(f"mandatory and not judged: {', '.join(report.unjudged)}")
    lines.append("every mandatory case that ran holds" if report.holds else "a mandatory case does NOT hold")
    return lines
