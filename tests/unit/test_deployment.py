"""The tools find a deployment by its name, or say in one sentence why they cannot."""

import pytest

from tools import deployment
from tools.desk.errors import NotFoundError


class Functions:
    """Lambda with functions of somebody else, which have the same names."""

    def __init__(self, configuration: dict[str, object]) -> None:
        self._configuration = configuration

    def get_function_configuration(self, FunctionName: str) -> dict[str, object]:  # noqa: N803
        return {"FunctionName": FunctionName, **self._configuration}


@pytest.mark.parametrize(
    ("configuration", "missing"),
    [
        ({}, "PROJECT_ARN"),
        ({"Environment": {"Variables": {"PROJECT_ARN": "arn"}}}, "PROJECT_VERSION_ARN"),
    ],
)
def test_functions_that_are_not_of_the_module_are_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, configuration: dict[str, object], missing: str
) -> None:
    monkeypatch.setattr(deployment, "client", lambda _: Functions(configuration))
    with pytest.raises(
        NotFoundError, match=f"labels-analyze-image, labels-reconcile and labels-watchdog have no {missing}:"
    ):
        deployment.find("labels")
