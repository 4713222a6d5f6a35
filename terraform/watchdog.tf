# Depends on everything that Terraform may destroy only after the watchdog has stopped the run and the model. If the
# watchdog fails, the pipeline is still complete, with its notification, alarms and bucket policies. This is a separate
# resource, because depends_on of the module would postpone reading the module's policy documents to every apply.
resource "terraform_data" "pipeline" {
  depends_on = [
    aws_dynamodb_table.run,
    aws_lambda_event_source_mapping.analyze_image,
    aws_lambda_function_recursion_config.analyze_image,
    module.analyze_image,
    module.check_queue,
    module.final_bucket,
    module.intake,
    module.monitoring,
    module.query,
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

  drain_on_change = {
    project_arn         = var.project_arn
    project_version_arn = var.project_version_arn
  }

  destroy_after_drain = [terraform_data.pipeline.id]
}
