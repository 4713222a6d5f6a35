# What every file of this folder begins with; a run says what differs.
name                = "labels-watchdog"
function_arn        = "arn:aws:lambda:us-east-1:123456789012:function:labels-guard"
function_name       = "labels-guard"
state_machine_arn   = "arn:aws:states:us-east-1:123456789012:stateMachine:labels"
drain_on_change     = { model = "a" }
destroy_after_drain = ["arn:aws:dynamodb:us-east-1:123456789012:table/labels"]

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
