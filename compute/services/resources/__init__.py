"""What the services of Neutron's nouns share: requests, calls made once, ends."""
