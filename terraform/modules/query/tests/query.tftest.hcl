# The provider is mocked: what is planned is what would be asked of AWS.
mock_provider "aws" {
  source = "../../tests/mocks"
}

run "lines_by_date_are_a_table_without_a_crawler" {
  command = plan

  assert {
    condition = (
      aws_kinesis_firehose_delivery_stream.results.extended_s3_configuration[0].prefix == "logos/stream/lines/arrived=!{timestamp:yyyy-MM-dd}/" &&
      aws_kinesis_firehose_delivery_stream.results.extended_s3_configuration[0].bucket_arn == "arn:aws:s3:::results"
    )
    error_message = "The stream must write by date, under its own prefix of the final bucket."
  }

  assert {
    condition = (
      aws_glue_catalog_table.results.parameters["storage.location.template"] == "s3://results/logos/stream/lines/arrived=$${arrived}/" &&
      aws_glue_catalog_table.results.parameters["projection.arrived.format"] == "yyyy-MM-dd" &&
      aws_glue_catalog_table.results.partition_keys[0].name == "arrived"
    )
    error_message = "The table must find the lines where the stream writes them."
  }

  assert {
    condition     = aws_glue_catalog_database.this.name == "labels_a_results"
    error_message = "Athena takes no hyphen in a database's name."
  }

  assert {
    condition = alltrue([
      for name, view in aws_glue_catalog_table.view :
      jsondecode(base64decode(split(" ", view.view_original_text)[3])).originalSql == file("./views/${name}.sql") &&
      length(jsondecode(base64decode(split(" ", view.view_original_text)[3])).columns) == length(view.storage_descriptor[0].columns)
    ])
    error_message = "Each view must be Athena's own form of its SQL."
  }
}

run "queries_scan_no_more_than_they_may" {
  command = plan

  assert {
    condition = (
      aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 10737418240 &&
      aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration &&
      aws_athena_workgroup.this.configuration[0].result_configuration[0].output_location == "s3://results/logos/stream/query-results/"
    )
    error_message = "The workgroup must limit what a query scans, and say where its results go."
  }

  assert {
    condition     = length(aws_athena_named_query.this) == 6 && alltrue([for query in aws_athena_named_query.this : length(query.description) > 20])
    error_message = "Each of the six queries must say what it is for."
  }
}

run "a_key_encrypts_what_athena_writes" {
  command = plan

  variables {
    controls = {
      kms_key_arn              = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
      permissions_boundary_arn = null
      iam_path                 = "/"
      tags                     = {}
    }
  }

  assert {
    condition     = aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].encryption_option == "SSE_KMS"
    error_message = "With a key, the results of queries must be encrypted with it."
  }
}
