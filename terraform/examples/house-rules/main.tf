# ---------------------------------------------------------------------------------------------------------------------
# What the estate has
# ---------------------------------------------------------------------------------------------------------------------

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "key" {
  source_policy_documents = [module.pipeline.kms_key_policy_json]

  statement {
    sid       = "TheAccountDecidesInItsPolicies"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }
}

resource "aws_kms_key" "house" {
  description         = "Encrypts what ${var.name} stores."
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

# As wide as a house has it: what bounds the roles here are their own policies.
data "aws_iam_policy_document" "boundary" {
  statement {
    sid = "NothingButTheseServices"
    actions = [
      "dynamodb:*",
      "ec2:*NetworkInterface*",
      "ec2:DescribeSubnets",
      "ec2:*PrivateIpAddresses",
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
  path   = "/house/"
  policy = data.aws_iam_policy_document.boundary.json
}

resource "aws_vpc" "house" {
  cidr_block = "10.0.0.0/24"
}

# Its way to the services, interface endpoints or a NAT gateway, is left out here.
resource "aws_subnet" "house" {
  vpc_id     = aws_vpc.house.id
  cidr_block = "10.0.0.0/28"
}

resource "aws_security_group" "functions" {
  name        = "${var.name}-functions"
  description = "Lets the functions out over HTTPS."
  vpc_id      = aws_vpc.house.id
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
# What is added
# ---------------------------------------------------------------------------------------------------------------------

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  source_events       = "eventbridge"

  kms_key_arn              = format("%s", aws_kms_key.house.arn) # not known yet, and so known to be no null
  permissions_boundary_arn = aws_iam_policy.boundary.arn
  iam_path                 = "/vision/labels/"
  vpc_subnet_ids           = [aws_subnet.house.id]
  # By way of the rule: a destroy then takes it away after the pipeline, whose watchdog needs the network to stop the
  # model. For the same reason give subnets by way of their routes, such as aws_route_table_association.NAME.subnet_id.
  vpc_security_group_ids = [aws_vpc_security_group_egress_rule.functions.security_group_id]
  log_retention_days     = 365

  tags = {
    cost-centre = "vision"
    owner       = "labels"
  }
}
