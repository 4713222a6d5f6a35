# What every file of this folder begins with; a run says what differs.
name        = "labels"
description = "Starts the state machine labels."
expression  = "rate(1 hour)"
target_arn  = "arn:aws:states:us-east-1:123456789012:stateMachine:labels"
action      = "states:StartExecution"
input       = {}

max_retries           = 2
max_event_age_seconds = 300

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
