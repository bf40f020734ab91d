"""What the black-box tests share: MongoDB, instances, clients, and the check of every answer."""
