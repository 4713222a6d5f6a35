# What every file of this folder begins with; a run says what differs.
name       = "labels"
definition = "{\"StartAt\":\"Done\",\"States\":{\"Done\":{\"Type\":\"Succeed\"}}}"

function_arns = [
  "arn:aws:lambda:us-east-1:123456789012:function:labels-start-model",
  "arn:aws:lambda:us-east-1:123456789012:function:labels-stop-model",
]

schedule_expression = "rate(1 hour)"

place = {
  partition  = "aws"
  region     = "us-east-1"
  account_id = "123456789012"
}

controls = {
  kms_key_arn              = null
  permissions_boundary_arn = null
  iam_path                 = "/"
  vpc_subnet_ids           = []
  vpc_security_group_ids   = []
  log_retention_days       = 30
  tags                     = {}
}
