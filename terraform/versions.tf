terraform {
  # 1.9 is the first version in which a variable's validation may look at other variables.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # From 6.22 to 6.39 it plans to remove a bucket's block of SSE-C at each apply: docs/deploying.md.
      version = ">= 5.100"
    }
  }
}
