# Opens a run and takes the lease on the model. Closes the run and writes its receipt.

data "aws_iam_policy_document" "record_run" {
  source_policy_documents = [
    data.aws_iam_policy_document.key_use["record_run"].json,
    data.aws_iam_policy_document.own_buckets.json,
  ]

  statement {
    sid       = "ReadWriteRunItems"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }

  statement {
    sid       = "WriteReceipts"
    actions   = ["s3:PutObject"]
    resources = ["${local.final_folder_arns["runs"]}/*"]
  }

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
  statement {
    sid       = "SendRunEvents"
    actions   = ["events:PutEvents"]
    resources = [local.event_bus_arn]

    condition {
      test     = "StringEquals"
      variable = "events:source"
      values   = [local.event_source]
    }

    condition {
      test     = "StringEquals"
      variable = "events:detail-type"
      values   = [local.event_detail_types.run_finished]
    }
  }
}

module "record_run" {
  source = "./modules/function"

  name        = local.function_names["record_run"]
  description = "Opens and closes a run of ${var.name} and writes its receipt."
  code        = local.code["record_run"]
  policy_json = data.aws_iam_policy_document.record_run.json
  place       = local.place
  controls    = local.controls

  environment = merge(local.environments["record_run"], {
    FINAL_BUCKET_NAME          = local.final_bucket_name
    FINAL_PREFIX               = var.final_prefix
    IMAGES_PER_SECOND_PER_UNIT = tostring(var.images_per_second_per_unit)
    INFERENCE_UNIT_HOUR_USD    = tostring(var.inference_unit_hour_usd)
    LEASE_SECONDS              = tostring(var.lease_seconds)
  })
}
