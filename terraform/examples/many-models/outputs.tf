output "pipelines" {
  description = "All outputs of the module, by the model's name."
  value       = module.pipeline
}
