"""The command `clb`; in a checkout also `python -m tools.desk`."""

import os
import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.exceptions import TyperException

from tools.desk import (
    backfill,
    cost,
    doctor,
    init,
    output,
    query,
    redrive,
    report,
    run,
    runs,
    status,
    stop,
    watch,
    why,
)
from tools.desk.errors import DeskError, Exit, explain
from tools.terminal import complain

app = typer.Typer(
    name="clb",
    help="Look after a deployment of the batch labelling module, with your AWS credentials and region.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(status.status)
app.command()(watch.watch)
app.command()(run.run)
app.command()(stop.stop)
app.command()(why.why)
app.command()(runs.runs)
app.command()(redrive.redrive)
app.command()(backfill.backfill)
app.command()(report.report)
app.command()(query.query)
app.command()(cost.cost)
app.command()(doctor.doctor)
app.command()(init.init)


def main() -> int:
    """Run the command that this process was started with; return its exit code."""
    output.keep_logs_off_the_answer()
    # As the AWS CLI does. boto3 reads AWS_DEFAULT_REGION alone.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region
    return command(sys.argv[1:])


def command(arguments: list[str]) -> int:
    """Run one command; return its exit code. What goes wrong is one sentence on the standard error output."""
    try:
        code = app(arguments or ["--help"], prog_name="clb", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        complain(f"{error.format_message().rstrip('.')}; `clb --help` and `clb COMMAND --help` say what there is")
        return Exit.USAGE
    except (DeskError, ClientError, BotoCoreError) as error:
        said, exit_code = explain(error)
        complain(said)
        return exit_code
    except (KeyboardInterrupt, typer.Abort):
        complain("stopped by you; what was asked of AWS before goes on")
        return Exit.FAILED
    except BrokenPipeError:
        # Whoever reads has enough, as `head` does. Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    return int(code or Exit.OK)


if __name__ == "__main__":
    sys.exit(main())
