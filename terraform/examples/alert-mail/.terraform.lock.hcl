# The version that the tests ran with. `terraform init` adds the hashes of your platform, after it has checked the signature of
# HashiCorp's release; commit them in your own root. Without hashes the file suits every platform, and machines with a mirror.
provider "registry.terraform.io/hashicorp/aws" {
  version = "5.100.0"
}
