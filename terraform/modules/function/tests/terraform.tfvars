# What every file of this folder begins with; a run says what differs.
name        = "labels-check-queue"
description = "Counts."
policy_json = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"Read\",\"Effect\":\"Allow\",\"Action\":\"sqs:ReceiveMessage\",\"Resource\":\"arn:aws:sqs:us-east-1:123456789012:labels\"}]}"
environment = { DEPLOYMENT_NAME = "labels" }

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

code = {
  handler           = "check_queue.handler.handler"
  file              = "./main.tf" # any file that is there: a plan only hashes it
  s3_bucket         = null
  s3_key            = null
  s3_object_version = null
  runtime           = "python3.13"
  architecture      = "arm64"
}
