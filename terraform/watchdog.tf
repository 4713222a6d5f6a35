# Stands for everything that Terraform may destroy only after the watchdog has brought it to rest: if that fails, the
# pipeline is still whole, with its notification, its alarms and its buckets' policies. It is a resource of its own, for
# depends_on of the module would put off the reading of the module's policies to every apply.
resource "terraform_data" "pipeline" {
  depends_on = [
    aws_dynamodb_table.run,
    aws_lambda_event_source_mapping.analyze_image,
    module.analyze_image,
    module.check_queue,
    module.final_bucket,
    module.intake,
    module.monitoring,
    module.reconcile,
    module.reconcile_function,
    module.record_run,
    module.source_bucket,
    module.start_model,
    module.stop_model,
    module.toggle_trigger,
    module.watchdog_function,
    module.workflow,
  ]
}

module "watchdog" {
  source = "./modules/watchdog"

  name     = local.function_names["watchdog"]
  place    = local.place
  controls = local.controls

  function_arn      = module.watchdog_function.arn
  function_name     = module.watchdog_function.function_name
  state_machine_arn = module.workflow.state_machine_arn

  retire_on_change = {
    project_arn         = var.project_arn
    project_version_arn = var.project_version_arn
  }

  retire_before = [terraform_data.pipeline.id]
}
