output "pipeline" {
  description = "All outputs of the module."
  value       = module.pipeline
}
