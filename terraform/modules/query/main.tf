# The results as lines by date, and a table over them. No crawler: the partitions follow from the date.

locals {
  stream_name = "${var.name}-results"
  stream_arn  = "arn:${var.place.partition}:firehose:${var.place.region}:${var.place.account_id}:deliverystream/${local.stream_name}"
  bucket_arn  = "arn:${var.place.partition}:s3:::${var.bucket_name}"

  lines_prefix  = "${var.prefix}stream/lines/"
  errors_prefix = "${var.prefix}stream/errors/"

  # IAM is global: with the region in the name, the same stream can exist in two regions.
  role_name = "${local.stream_name}-${var.place.region}"

  # Athena takes no hyphen. https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html
  database_name = "${replace(var.name, "-", "_")}_results"

  label_type = "struct<name:string,confidence:double,passes:boolean,threshold:double,box_left:double,box_top:double,box_width:double,box_height:double>"
  # A line's members, as analyze_image/lines.py writes them.
  columns = [
    ["id", "string"], ["analyzed_at", "string"], ["run_id", "string"], ["outcome", "string"],
    ["bucket", "string"], ["key", "string"], ["version_id", "string"], ["etag", "string"], ["size_bytes", "bigint"],
    ["image_bucket", "string"], ["image_key", "string"], ["model", "string"], ["min_confidence", "double"],
    ["error_code", "string"], ["error_message", "string"], ["labels", "array<${local.label_type}>"],
  ]

  # Firehose delivers at least once, so each view takes each id once.
  views = {
    images = [
      ["id", "string"], ["day", "string"], ["analyzed_at", "string"], ["run_id", "string"], ["outcome", "string"],
      ["bucket", "string"], ["key", "string"], ["version_id", "string"], ["etag", "string"], ["size_bytes", "bigint"],
      ["image_bucket", "string"], ["image_key", "string"], ["model", "string"], ["min_confidence", "double"],
      ["error_code", "string"], ["error_message", "string"],
    ]
    labels = [
      ["id", "string"], ["day", "string"], ["analyzed_at", "string"], ["run_id", "string"],
      ["bucket", "string"], ["key", "string"], ["image_bucket", "string"], ["image_key", "string"], ["model", "string"],
      ["label", "string"], ["confidence", "double"], ["passes", "boolean"], ["own_threshold", "double"],
      ["box_left", "double"], ["box_top", "double"], ["box_width", "double"], ["box_height", "double"],
    ]
  }
  # Athena's own names of the types.
  view_types = { string = "varchar", double = "double", bigint = "bigint", boolean = "boolean" }

  queries = {
    for file in fileset("${path.module}/queries", "*.sql") : trimsuffix(file, ".sql") => file("${path.module}/queries/${file}")
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "FirehoseDelivers"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }

    # https://docs.aws.amazon.com/firehose/latest/dev/confused-deputy.html
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.stream_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.place.account_id]
    }
  }
}

# https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
data "aws_iam_policy_document" "stream" {
  source_policy_documents = [var.base_policy_json]

  statement {
    sid       = "WriteLines"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arn}/${local.lines_prefix}*", "${local.bucket_arn}/${local.errors_prefix}*"]
  }

  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arn]
  }
}

resource "aws_iam_role" "stream" {
  name                 = local.role_name
  path                 = var.controls.iam_path
  permissions_boundary = var.controls.permissions_boundary_arn
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  tags                 = var.controls.tags
}

resource "aws_iam_role_policy" "stream" {
  name   = "deliver"
  role   = aws_iam_role.stream.name
  policy = data.aws_iam_policy_document.stream.json
}

resource "aws_kinesis_firehose_delivery_stream" "results" {
  name        = local.stream_name
  destination = "extended_s3"
  tags        = var.controls.tags

  # With AWS's own key: what waits here for minutes goes to the bucket, which has its own encryption.
  server_side_encryption {
    enabled = true
  }

  extended_s3_configuration {
    role_arn   = aws_iam_role.stream.arn
    bucket_arn = local.bucket_arn

    prefix              = "${local.lines_prefix}arrived=!{timestamp:yyyy-MM-dd}/"
    error_output_prefix = "${local.errors_prefix}!{firehose:error-output-type}/!{timestamp:yyyy-MM-dd}/"
    file_extension      = ".jsonl"

    # Few files, and a query sees a result after five minutes.
    buffering_interval = 300
    buffering_size     = 64
  }

  depends_on = [aws_iam_role_policy.stream]
}

resource "aws_glue_catalog_database" "this" {
  name        = local.database_name
  description = "The results of ${var.name}."
}

resource "aws_glue_catalog_table" "results" {
  name          = "results"
  database_name = aws_glue_catalog_database.this.name
  description   = "A line for each result and failure. Some come twice: use the views images and labels."
  table_type    = "EXTERNAL_TABLE"

  # https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
  parameters = {
    EXTERNAL                    = "TRUE"
    classification              = "json"
    "projection.enabled"        = "true"
    "projection.arrived.type"   = "date"
    "projection.arrived.format" = "yyyy-MM-dd"
    "projection.arrived.range"  = "2026-01-01,NOW"
    "storage.location.template" = "s3://${var.bucket_name}/${local.lines_prefix}arrived=$${arrived}/"
  }

  partition_keys {
    name = "arrived"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${var.bucket_name}/${local.lines_prefix}"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    ser_de_info {
      serialization_library = "org.openx.data.jsonserde.JsonSerDe"
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

# A view is a table whose text is Athena's own JSON in base64, as CREATE VIEW writes it.
resource "aws_glue_catalog_table" "view" {
  for_each = local.views

  name          = each.key
  database_name = aws_glue_catalog_database.this.name
  table_type    = "VIRTUAL_VIEW"

  parameters = {
    presto_view = "true"
    comment     = "Presto View"
  }

  view_expanded_text = "/* Presto View */"
  view_original_text = format("/* Presto View: %s */", base64encode(jsonencode({
    originalSql = file("${path.module}/views/${each.key}.sql")
    catalog     = "awsdatacatalog"
    schema      = local.database_name
    columns     = [for column in each.value : { name = column[0], type = local.view_types[column[1]] }]
  })))

  storage_descriptor {
    dynamic "columns" {
      for_each = each.value

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }

  depends_on = [aws_glue_catalog_table.results]
}

resource "aws_athena_workgroup" "this" {
  name          = local.stream_name
  description   = "Queries of the results of ${var.name}."
  force_destroy = true # the queries that ran, not the results
  tags          = var.controls.tags

  configuration {
    enforce_workgroup_configuration = true
    bytes_scanned_cutoff_per_query  = var.max_scanned_gib * 1024 * 1024 * 1024

    result_configuration {
      output_location = "s3://${var.bucket_name}/${var.prefix}stream/query-results/"

      encryption_configuration {
        encryption_option = var.controls.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.controls.kms_key_arn
      }
    }
  }
}

resource "aws_athena_named_query" "this" {
  for_each = local.queries

  name        = each.key
  description = trimprefix(split("\n", each.value)[0], "-- ")
  workgroup   = aws_athena_workgroup.this.name
  database    = aws_glue_catalog_database.this.name
  query       = each.value
}
