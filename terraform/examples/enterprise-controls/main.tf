provider "aws" {
  region = var.region
}

# ---------------------------------------------------------------------------------------------------------------------
# What the account already has
# ---------------------------------------------------------------------------------------------------------------------

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "key" {
  source_policy_documents = [module.pipeline.kms_key_policy_json]

  statement {
    sid       = "EnableIamPolicies"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }
}

resource "aws_kms_key" "data" {
  description         = "Encrypts what ${var.name} stores."
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

# As wide as boundaries usually are. The policies of the roles allow far less.
data "aws_iam_policy_document" "boundary" {
  statement {
    sid = "AllowTheseServices"
    actions = [
      "dynamodb:*",
      "ec2:*NetworkInterface*",
      "ec2:DescribeSubnets",
      "ec2:*PrivateIpAddresses",
      "events:*",
      "kms:*",
      "lambda:*",
      "logs:*",
      "rekognition:*",
      "s3:*",
      "sqs:*",
      "states:*",
      "xray:*",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "boundary" {
  name   = "${var.name}-boundary"
  path   = "/platform/"
  policy = data.aws_iam_policy_document.boundary.json
}

resource "aws_vpc" "private" {
  cidr_block = "10.0.0.0/24"
}

# Add interface endpoints or a NAT gateway here: the functions need a route to the AWS services.
resource "aws_subnet" "private" {
  vpc_id     = aws_vpc.private.id
  cidr_block = "10.0.0.0/28"
}

resource "aws_security_group" "functions" {
  name        = "${var.name}-functions"
  description = "Lets the functions out over HTTPS."
  vpc_id      = aws_vpc.private.id
}

resource "aws_vpc_security_group_egress_rule" "functions" {
  security_group_id = aws_security_group.functions.id
  description       = "AWS services"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  cidr_ipv4         = "0.0.0.0/0"
}

# ---------------------------------------------------------------------------------------------------------------------
# What this adds
# ---------------------------------------------------------------------------------------------------------------------

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  alarm_emails        = [] # name who gets the alarms, or subscribe to the output alarm_topic_arn
  source_events       = "eventbridge"
  dashboard_enabled   = true

  kms_key_arn              = format("%s", aws_kms_key.data.arn) # Terraform must know at plan time that it is not null
  permissions_boundary_arn = aws_iam_policy.boundary.arn
  iam_path                 = "/vision/labels/"
  vpc_subnet_ids           = [aws_subnet.private.id]
  # Through the rule, so that a destroy removes the rule after the pipeline: its watchdog needs the network to stop the
  # model. For the same reason pass subnets through their routes, such as aws_route_table_association.NAME.subnet_id.
  vpc_security_group_ids = [aws_vpc_security_group_egress_rule.functions.security_group_id]
  log_retention_days     = 365

  tags = {
    cost-centre = "vision"
    owner       = "labels"
  }
}
