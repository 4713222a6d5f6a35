# What every file of this folder begins with; a run says what differs.
name       = "labels"
region     = "us-east-1"
account_id = "123456789012"
definition = "{\"StartAt\":\"Done\",\"States\":{\"Done\":{\"Type\":\"Succeed\"}}}"

function_arns = [
  "arn:aws:lambda:us-east-1:123456789012:function:labels-start-model",
  "arn:aws:lambda:us-east-1:123456789012:function:labels-stop-model",
]

schedule_expression = "rate(1 hour)"
