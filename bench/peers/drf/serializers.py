"""What goes in and out."""

from rest_framework import serializers

from bench.peers.drf.models import Address, Category, Order, OrderLine, Product, Variant


class CategorySerializer(serializers.ModelSerializer):
    class Meta:
        model = Category
        fields = ["id", "name", "slug"]


class VariantSerializer(serializers.ModelSerializer):
    in_stock = serializers.SerializerMethodField()

    class Meta:
        model = Variant
        fields = ["id", "sku", "title", "price", "attributes", "position", "in_stock", "created_at", "updated_at"]

    def get_in_stock(self, variant):
        return variant.stock.on_hand > variant.stock.reserved


class ProductSerializer(serializers.ModelSerializer):
    category = CategorySerializer()
    in_stock = serializers.BooleanField()

    class Meta:
        model = Product
        fields = [
            "id", "name", "slug", "brand", "category", "lowest_price", "in_stock", "attributes", "is_published",
            "created_at", "updated_at",
        ]  # fmt: skip


class ProductDetailSerializer(ProductSerializer):
    variants = VariantSerializer(many=True)

    class Meta(ProductSerializer.Meta):
        fields = [*ProductSerializer.Meta.fields, "description", "variants"]


class AddressSerializer(serializers.ModelSerializer):
    class Meta:
        model = Address
        fields = ["id", "name", "phone", "line1", "city", "state", "pin"]


class OrderLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderLine
        fields = ["position", "variant_id", "sku", "name", "quantity", "unit_price", "total_amount"]


class OrderSerializer(serializers.ModelSerializer):
    shipping_address = AddressSerializer()
    lines = OrderLineSerializer(many=True)

    class Meta:
        model = Order
        fields = ["id", "status", "total_amount", "shipping_address", "lines", "placed_at"]


class RequestedLineSerializer(serializers.Serializer):
    variant_id = serializers.PrimaryKeyRelatedField(
        queryset=Variant.objects.filter(is_active=True).select_related("product"), source="variant"
    )
    quantity = serializers.IntegerField(min_value=1, max_value=1000)


class PlaceOrderSerializer(serializers.Serializer):
    lines = RequestedLineSerializer(many=True, allow_empty=False, max_length=50)
    shipping_address_id = serializers.PrimaryKeyRelatedField(queryset=Address.objects.all(), source="shipping_address")

    def validate_shipping_address_id(self, address):
        if address.user_id != self.context["request"].user.pk:
            raise serializers.ValidationError("There is no such address.")
        return address
