"""Bench subject (b): one blocking boto3 hook, as the usual tutorial has it.

One item a user: authorize reads it and hands over the clear password, accounting writes the counters into it. No
decision, no device slot, no lease: less work than the product does.
"""

import os

import boto3

RLM_MODULE_REJECT = 0
RLM_MODULE_OK = 2
RLM_MODULE_UPDATED = 8

table = boto3.resource(
    "dynamodb",
    endpoint_url=os.environ["BENCH_STORE_URL"],
    region_name="af-south-1",
    aws_access_key_id="bench",
    aws_secret_access_key="bench",
).Table("users")


def authorize(request: tuple[tuple[str, str], ...]) -> object:
    answer = table.get_item(Key={"username": dict(request)["User-Name"]}, ConsistentRead=True)
    if "Item" not in answer:
        return RLM_MODULE_REJECT
    password = str(answer["Item"]["password"])
    return RLM_MODULE_UPDATED, (("Session-Timeout", "3600"),), (("Cleartext-Password", password),)


def accounting(request: tuple[tuple[str, str], ...]) -> int:
    values = dict(request)
    table.update_item(
        Key={"username": values["User-Name"]},
        UpdateExpression="SET input_octets = :i, output_octets = :o, session_time = :t, session_id = :s",
        ExpressionAttributeValues={
            ":i": int(values.get("Acct-Input-Octets", 0)),
            ":o": int(values.get("Acct-Output-Octets", 0)),
            ":t": int(values.get("Acct-Session-Time", 0)),
            ":s": values["Acct-Session-Id"],
        },
    )
    return RLM_MODULE_OK
