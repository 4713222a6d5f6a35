module "workflow" {
  source = "./modules/workflow"

  name       = local.workflow_name
  partition  = local.partition
  region     = local.region
  account_id = local.account_id

  definition = templatefile("${path.module}/statemachines/label_batch.asl.json", {
    partition                   = local.partition
    record_run_function_arn     = module.record_run.arn
    check_queue_function_arn    = module.check_queue.arn
    start_model_function_arn    = module.start_model.arn
    stop_model_function_arn     = module.stop_model.arn
    toggle_trigger_function_arn = module.toggle_trigger.arn
  })

  function_arns = [
    module.record_run.arn,
    module.check_queue.arn,
    module.start_model.arn,
    module.stop_model.arn,
    module.toggle_trigger.arn,
  ]

  schedule_expression = var.schedule_expression
  schedule_timezone   = var.schedule_timezone
  schedule_enabled    = var.schedule_enabled

  log_retention_days = var.log_retention_days
  tags               = var.tags

  kms_key_arn              = var.kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  iam_path                 = var.iam_path
}
