output "stream_name" {
  description = "Name of the stream of results."
  value       = aws_kinesis_firehose_delivery_stream.results.name
}

output "stream_arn" {
  description = "ARN of the stream, built from inputs and so known at plan."
  value       = local.stream_arn
}

output "workgroup_name" {
  description = "Athena's workgroup with the named queries."
  value       = aws_athena_workgroup.this.name
}

output "database_name" {
  description = "Glue's database with the table and its two views."
  value       = aws_glue_catalog_database.this.name
}
