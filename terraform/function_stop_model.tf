# Stops the model and reports whether Rekognition says STOPPED.

data "aws_iam_policy_document" "stop_model" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["stop_model"].json]

  statement {
    sid       = "DescribeModel"
    actions   = ["rekognition:DescribeProjectVersions"]
    resources = [var.project_arn]
  }

  statement {
    sid       = "StopModel"
    actions   = ["rekognition:StopProjectVersion", "rekognition:ListTagsForResource"]
    resources = [var.project_version_arn]
  }

  statement {
    sid       = "UntagModel"
    actions   = ["rekognition:UntagResource"]
    resources = [var.project_version_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = [local.model_tag]
    }

    # ForAllValues also holds of a request without any tag.
    condition {
      test     = "Null"
      variable = "aws:TagKeys"
      values   = ["false"]
    }
  }

  statement {
    sid       = "ExtendLease"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.runs_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [var.project_version_arn]
    }
  }
}

module "stop_model" {
  source = "./modules/function"

  name        = local.function_names["stop_model"]
  description = "Stops the Custom Labels model of ${var.name}."
  code        = local.code["stop_model"]
  policy_json = data.aws_iam_policy_document.stop_model.json
  place       = local.place
  controls    = local.controls

  environment = merge(local.environments["stop_model"], {
    LEASE_SECONDS = tostring(var.lease_seconds)
    PROJECT_ARN   = var.project_arn
  })
}
