# What every file of this folder begins with; a run says what differs.
name                          = "logos"
alarm_topic_arn               = "arn:aws:sns:us-east-1:210987654321:night-watch"
queue_arn                     = "arn:aws:sqs:us-east-1:123456789012:logos-images"
dead_letter_queue_arn         = "arn:aws:sqs:us-east-1:123456789012:logos-images-dead-letter"
state_machine_arn             = "arn:aws:states:us-east-1:123456789012:stateMachine:logos-label-batch"
project_version_arn           = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
model_hour_usd                = 4.5
alarm_ok_enabled              = false
image_age_alarm_hours         = 36
failed_share_alarm_percent    = 40
reconcile_state_machine_arn   = "arn:aws:states:us-east-1:123456789012:stateMachine:logos-reconcile"
reconcile_schedule_group_name = "logos-reconcile-group"
reconcile_silent_days         = 2
watchdog_function_name        = "logos-guard"
watchdog_schedule_group_name  = "logos-guard-group"
metrics_namespace             = "Labels"
analyze_function_name         = "logos-analyze-image"
function_names                = ["logos-analyze-image", "logos-guard"]
unit_hour_usd                 = 4.5

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
