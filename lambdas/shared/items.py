"""The items of the runs table as plain Python values: the one place that knows how DynamoDB writes them.

A number comes back as an int when it has no fraction, and else as a float. boto3's serializer takes Decimal and no
float, so the conversion is here. https://docs.aws.amazon.com/boto3/latest/reference/customizations/dynamodb.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from shared.clients import error_code

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemsInputTypeDef

_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()


class ConditionFailed(Exception):  # noqa: N818 - it is how a write ends, as `if` may be false
    """The condition of a write does not hold, so nothing was written."""


@dataclass(frozen=True)
class Update:
    """One write to the item `name`. The keys of `values` are the expression's placeholders, without the colon."""

    name: str
    expression: str
    values: Mapping[str, Any]
    condition: str | None = None


class Items:
    """The items of one model in the runs table."""

    def __init__(self, dynamodb: DynamoDBClient, table_name: str, model_arn: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name
        self.model_arn = model_arn

    def read(self, name: str) -> dict[str, Any]:
        """Return the item's attributes (a consistent read); nothing when there is no such item."""
        answer = self._dynamodb.get_item(TableName=self._table_name, Key=self._key(name), ConsistentRead=True)
        return from_item(answer.get("Item", {}))

    def update(self, update: Update, *, returning: Literal["NONE", "ALL_OLD", "ALL_NEW"] = "NONE") -> dict[str, Any]:
        """Write, and return all attributes from before or after if asked for. Error: ConditionFailed."""
        try:
            answer = self._dynamodb.update_item(**self._parameters(update), ReturnValues=returning)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            raise ConditionFailed(str(error)) from error
        return from_item(answer.get("Attributes", {}))

    def transact(self, updates: Sequence[Update], *, token: str | None = None) -> None:
        """Write all of it or nothing, once in ten minutes for the same `token`, which boto3 else makes for each call.

        Error: ConditionFailed. A conflict with another write is a ClientError with code TransactionCanceledException.
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
        """
        request: TransactWriteItemsInputTypeDef = {
            "TransactItems": [{"Update": self._parameters(update)} for update in updates]
        }
        if token is not None:
            request["ClientRequestToken"] = token
        try:
            self._dynamodb.transact_write_items(**request)
        except ClientError as error:
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if error_code(error) != "TransactionCanceledException" or "ConditionalCheckFailed" not in reasons:
                raise
            raise ConditionFailed(str(error)) from error

    def _key(self, name: str) -> dict[str, AttributeValueTypeDef]:
        return {"model": {"S": self.model_arn}, "item": {"S": name}}

    def _parameters(self, update: Update) -> Any:  # noqa: ANN401 - of two calls, which name the same in two types
        condition = {} if update.condition is None else {"ConditionExpression": update.condition}
        values = {f":{name}": value for name, value in update.values.items()}
        return {
            "TableName": self._table_name,
            "Key": self._key(update.name),
            "UpdateExpression": update.expression,
            **({"ExpressionAttributeValues": to_item(values)} if values else {}),
            **condition,
        }


def to_item(values: Mapping[str, Any]) -> dict[str, AttributeValueTypeDef]:
    """Return plain values as DynamoDB's attributes."""
    without_floats = json.loads(json.dumps(values), parse_float=Decimal)
    return {name: _SERIALIZER.serialize(value) for name, value in without_floats.items()}


def from_item(item: Mapping[str, AttributeValueTypeDef]) -> dict[str, Any]:
    """Return DynamoDB's attributes as plain values."""
    values = {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    plain: dict[str, Any] = json.loads(json.dumps(values, default=_number))
    return plain


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
