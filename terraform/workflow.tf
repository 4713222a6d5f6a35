locals {
  # The longest role is the schedule's, NAME-label-batch-schedule-REGION: 27 + 12 + 10 + 14 = 63 of the 64 that IAM allows.
  workflow_name = "${var.name}-label-batch"

  # Built from inputs, so that the watchdog does not depend on the workflow, and start_model can depend on the watchdog.
  state_machine_arn = "arn:${local.partition}:states:${local.region}:${local.account_id}:stateMachine:${local.workflow_name}"

  # The executions of the workflow, whose names are the runs' ids.
  executions_arn = "arn:${local.partition}:states:${local.region}:${local.account_id}:execution:${local.workflow_name}:*"
}

module "workflow" {
  source = "./modules/workflow"

  name     = local.workflow_name
  place    = local.place
  controls = local.controls

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
}
